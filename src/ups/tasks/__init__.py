"""The tasks, by name. A task is data: its end-of-task prompt, how a clip becomes an example, how tokens become a result.

Adding one is a file and a line here; the model and the decoder never change.
"""

from ups.errors import SettingError, did_you_mean
from ups.tasks.action import anticipate, recognize_2d, recognize_3d
from ups.tasks.pose import estimate_pose
from ups.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (estimate_pose, recognize_2d, anticipate, recognize_3d)}
"""In the paper's rotation order (3.5)."""


def get_task(name: str) -> Task:
    """The task called `name`; raises SettingError with the known names."""
    if name not in TASKS:
        raise SettingError(f"unknown task {name!r}{did_you_mean(name, TASKS)}; known: {', '.join(TASKS)}")
    return TASKS[name]
