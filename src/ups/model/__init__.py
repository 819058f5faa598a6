"""The network of the paper (3.3, 3.4): joint tokenizer, routed SEM-TEM encoder, auto-regressive decoder.

Axis letters: P persons of all clips of a batch (absent persons cost nothing), N frames, J joints, D width, G groups,
Q decoded sequences, K tokens of a sequence, S slots.
"""
