"""Pickles are read without pickle: whatever stands in one, the interpreter lives, and plain data is the same."""

import io
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from ups.data.formats.safe_pickle import load_npz, load_object_npz, restricted_loads
from ups.errors import DataError

VALUES = [
    {"a": [1, -5, 2**70, 1.5, None, True, "é", b"x"], "b": (np.float32(2), np.int64(7), np.bool_(True))},
    np.arange(24, dtype=np.float16).reshape(2, 3, 4),
    np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    np.array(["walk", "run"]),
    np.array([{"S1": np.ones((2, 3))}, None], dtype=object),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_plain_data_comes_back_the_same(value, protocol):
    back = restricted_loads(pickle.dumps(value, protocol), "test")
    assert type(back) is type(value)
    plain = isinstance(value, np.ndarray) and value.dtype.hasobject
    np.testing.assert_equal(*(x.tolist() if plain else x for x in (back, value)))
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and back.flags.f_contiguous == value.flags.f_contiguous


class _Calls:
    """Pickled as a call of a function with arguments, then a state."""

    def __init__(self, function, arguments, state=None):
        self.how = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.how


FLAGS = _Calls(np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 0xFF))


def array(shape, dtype, data):
    build = np.zeros(0).__reduce__()[0]
    return _Calls(build, (np.ndarray, (0,), b"b"), (1, shape, dtype, False, data))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (array((3,), np.dtype("f8"), b"1234"), "other than its 24 bytes"),
        (array((1,), np.dtype(object), b"12345678"), "a bytes stands where a list is needed"),
        (array((2,), np.dtype(object), [1]), "1 objects for an array"),
        (array((2**40,), np.dtype("f8"), b""), "an array of shape"),
        (array((-1,), np.dtype("f8"), b""), "an array of shape"),
        (_Calls(np.dtype, ("V8", False, True)), "a dtype 'V8'"),
        (
            _Calls(np.dtype, ("f8",), (3, "<", (np.dtype("f4"), (2,)), None, None, -1, -1, 0)),
            "not one of plain numbers",
        ),
        (_Calls(eval, ("1",)), "it asks for builtins.eval"),
        ({(1, 2): 3}, "a key of a dict is a tuple"),
        ({1, 2}, "it holds the instruction EMPTY_SET"),
    ],
)
def test_anything_else_is_refused(value, reason):
    with pytest.raises(DataError, match=reason):
        restricted_loads(pickle.dumps(value, 4), "bad.pkl")


def test_flags_of_a_dtype_are_not_believed():
    lie = pickle.dumps(array((1,), FLAGS, b"\x01\x02\x03\x04\x05\x06\x07\x08"), 4)
    back = restricted_loads(lie, "flags.pkl")  # a number, whatever its flags say
    assert isinstance(back, np.ndarray) and back.dtype == np.float64 and not back.dtype.hasobject


def test_lists_that_share_each_other_and_deep_ones_are_refused_at_once():
    value: list = [0.0]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(DataError, match=r"stand for more than 1,00\d,\d{3} values"):
        restricted_loads(pickle.dumps(value), "bomb.pkl")
    with pytest.raises(DataError, match="more than 64 deep"):
        restricted_loads(b"\x80\x04" + b"]" * 70 + b"a" * 69 + b".", "deep.pkl")
    with pytest.raises(DataError, match="not read"):
        restricted_loads(b"\x80\x04]r\xff\xff\xff\x7fh\x05.", "memo.pkl")


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
BYTE = b"cnumpy\ndtype\n(U\2u1I0\nI1\ntR"


def test_one_piece_of_a_file_is_not_made_into_arrays_again_and_again():
    blob = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"q\1"
    one = RECONSTRUCT + b"(K\1(J\0\0\x10\0t" + BYTE + b"\x89h\1tb"
    assert len(restricted_loads(b"\x80\2](" + blob + one * 5 + b"e.", "few.pkl")) == 6  # pyright: ignore
    with pytest.raises(DataError, match="more than 8 times the room"):
        restricted_loads(b"\x80\2](" + blob + one * 20 + b"e.", "many.pkl")


def test_a_shape_of_gigantic_numbers_is_refused_before_it_is_multiplied():
    big = b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b"q\1"
    data = b"\x80\2" + RECONSTRUCT + b"(K\1(" + big + b"h\1" * 30 + b"t" + BYTE + b"\x89U\0tb."
    start = time.monotonic()
    with pytest.raises(DataError, match=r"an array of shape \(\.\.\., "):
        restricted_loads(data, "shape.pkl")
    assert time.monotonic() - start < 2


def test_depth_counts_through_lists_that_are_named_again():
    data = b"\x80\2(" + b"]q\1"
    for place in (1, 2, 3):  # each chain of 30 ends in the one before
        data += b"]" * 30 + b"h" + bytes([place]) + b"a" * 30 + b"q" + bytes([place + 1])
    with pytest.raises(DataError, match="more than 64 deep"):
        restricted_loads(data + b"t.", "deep.pkl")


def test_keys_whose_hashes_can_be_chosen_and_what_is_left_unfinished_are_refused():
    for key in (2**61 - 1, np.complex128(1j)):
        with pytest.raises(DataError, match="a key of a dict"):
            restricted_loads(pickle.dumps({key: 1}), "keys.pkl")
    for data in (RECONSTRUCT, b"]" + RECONSTRUCT + b"a", b"]cnumpy\ndtype\na"):
        with pytest.raises(DataError, match="left unfinished"):
            restricted_loads(b"\x80\2" + data + b".", "unfinished.pkl")


FUZZ = """
import pickle, random, sys
import numpy as np
from ups.data.formats.safe_pickle import restricted_loads
from ups.errors import DataError
rng = random.Random(int(sys.argv[1]))
value = {"a": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([None, {"b": 1}], dtype=object)], "c": np.float64(2)}
for number in range(int(sys.argv[2])):
    data = bytearray(pickle.dumps(value, rng.randrange(6)))
    for _ in range(rng.randrange(1, 5)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        repr(restricted_loads(bytes(data), "mutant"))
    except DataError:
        pass
"""


def test_no_mutant_ends_the_interpreter():
    done = subprocess.run([sys.executable, "-c", FUZZ, "0", "3000"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("sizes", [(300,), (100, 100, 100)])
def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path, sizes):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                for _ in range(size):
                    member.write(bytes(1 << 20))
    for load in (load_npz, load_object_npz):
        with pytest.raises(DataError, match="would unpack to 314,572,800 bytes.*UPS_MAX_EXPANSION"):
            load(path)


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    empty = io.BytesIO()  # elements of no bytes, of which any number would fit
    np.lib.format.write_array_header_1_0(empty, {"descr": "|S0", "fortran_order": False, "shape": (2**40,)})
    for content in (head, empty):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", content.getvalue())
        with pytest.raises(DataError, match="its header says"):
            load_npz(tmp_path / "a.npz")
