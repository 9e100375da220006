"""The noise field is one plane, whatever window is read."""

import torch

from sam_diffsr_cli.noise import BLOCK, noise_window


def test_a_window_is_a_part_of_a_larger_one() -> None:
    whole = noise_window(3, 5, (0, BLOCK + 40), (0, 2 * BLOCK + 8))
    part = noise_window(3, 5, (BLOCK - 9, BLOCK + 21), (BLOCK - 30, 2 * BLOCK + 3))
    expected = whole[:, :, BLOCK - 9 : BLOCK + 21, BLOCK - 30 : 2 * BLOCK + 3]
    torch.testing.assert_close(part, expected, rtol=0, atol=0)


def test_seeds_and_steps_have_fields_of_their_own() -> None:
    windows = [noise_window(s, t, (0, 8), (0, 8)) for s, t in ((0, 0), (0, 1), (1, 0))]
    assert not torch.equal(windows[0], windows[1])
    assert not torch.equal(windows[0], windows[2])
    assert not torch.equal(windows[1], windows[2])


def test_blocks_differ_from_their_neighbours() -> None:
    field = noise_window(0, 0, (0, 2 * BLOCK), (0, 2 * BLOCK))
    blocks = [field[..., :BLOCK, :BLOCK], field[..., BLOCK:, :BLOCK], field[..., :BLOCK, BLOCK:]]
    assert not torch.equal(blocks[0], blocks[1])
    assert not torch.equal(blocks[0], blocks[2])
    assert not torch.equal(blocks[1], blocks[2])


def test_the_field_is_standard_normal() -> None:
    field = noise_window(1, 2, (0, 300), (0, 300))
    assert abs(float(field.mean())) < 0.01
    assert abs(float(field.std()) - 1) < 0.01
    shifted = (field[..., 1:] * field[..., :-1]).mean()
    assert abs(float(shifted)) < 0.01
