"""How much may be lost at once, and what a person's acceptance covers."""

import pytest

from artpipe.lake.mass_loss import Loss, LossGuard, MassLossError, read_refusals, settle_refusal, write_refusal
from artpipe.lake.paths import DataLake


@pytest.fixture
def lake(tmp_path) -> DataLake:
    return DataLake(tmp_path)


@pytest.mark.parametrize(
    ("held", "lost", "is_allowed"),
    [(1000, 100, True), (1000, 101, False), (5, 1, True), (5, 2, True), (5, 3, False), (2, 2, True), (0, 0, True)],
)
def test_a_tenth_may_go_at_once_and_two_of_any_number(lake, held: int, lost: int, is_allowed: bool):
    assert LossGuard(lake, "artworks", 0.1).allows(Loss("artworks", held, lost)) == is_allowed


@pytest.mark.parametrize(
    ("asked", "among", "is_allowed"), [(3, 126, True), (13, 126, False), (12, 126, True), (3, 0, False)]
)
def test_the_few_that_are_left_to_ask_for_may_all_go_where_the_lake_could_lose_so_many(
    lake, asked: int, among: int, is_allowed: bool
):
    assert LossGuard(lake, "images", 0.1).allows(Loss("images", asked, asked, among=among)) == is_allowed


def test_with_a_share_of_one_nothing_is_refused(lake):
    assert LossGuard(lake, "artworks", 1.0).allows(Loss("artworks", 1000, 1000))


def refuse(lake: DataLake, *losses: Loss) -> None:
    with pytest.raises(MassLossError) as refused:
        LossGuard(lake, "artworks", 0.1).check(losses, "raw/catalog")
    write_refusal(lake, refused.value)


def test_the_error_names_what_is_lost_where_to_look_and_the_two_next_steps(lake):
    losses = [Loss("artworks", 126, 63, "a/b/c"), Loss("values of `type`", 9, 1)]
    with pytest.raises(MassLossError) as refused:
        LossGuard(lake, "artworks", 0.1).check(losses, "raw/catalog")
    message = str(refused.value)
    assert message == (
        "`artworks` would lose 63 of 126 artworks (50%, such as a/b/c), more than ARTPIPE_MAX_LOSS=0.1 allows at once, "
        "so the lake keeps what it has. Look at raw/catalog: `artpipe refresh` asks again, "
        "`artpipe refresh --accept-loss` accepts the loss."
    )


def test_a_refusal_is_kept_in_the_lake_until_its_asset_is_made(lake):
    assert read_refusals(lake) == {}
    refuse(lake, Loss("artworks", 100, 50))
    (refusal,) = read_refusals(lake).values()
    assert refusal.losses == (Loss("artworks", 100, 50),)
    assert "50 of 100 artworks (50%)" in str(refusal)
    settle_refusal(lake, "artworks")
    assert read_refusals(lake) == {}


def test_a_refusal_that_cannot_be_read_is_none(lake):
    refuse(lake, Loss("artworks", 100, 50))
    lake.refusal("artworks").write_text('{"losses": [{"wh')
    assert read_refusals(lake) == {}


def test_only_a_loss_that_was_refused_before_can_be_accepted(lake):
    accepting = LossGuard(lake, "artworks", 0.1, accepts=True)
    loss = Loss("artworks", 100, 50)
    with pytest.raises(MassLossError, match="only after it was refused once"):
        accepting.check([loss], "raw/catalog")
    refuse(lake, loss)
    assert accepting.allows(loss)
    assert accepting.allows(Loss("artworks", 100, 60)), "about as large"
    assert not accepting.allows(Loss("artworks", 100, 61)), "larger than anybody has seen"
    assert not accepting.allows(Loss("values of `type`", 100, 50)), "another kind"
    with pytest.raises(MassLossError) as refused:
        accepting.check([loss, Loss("values of `type`", 100, 50)], "raw/catalog")
    assert [one.what for one in refused.value.losses] == ["artworks", "values of `type`"]
    assert not LossGuard(lake, "artists", 0.1, accepts=True).allows(loss), "another asset"
    assert not LossGuard(lake, "artworks", 0.1).allows(loss), "nobody accepts it"
