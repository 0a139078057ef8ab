import numpy as np
import pytest

from services.reasoning.label_trie import LabelTrie

VOCABULARY = 12


def test_labels_with_their_own_first_tokens_need_one_distribution():
    trie = LabelTrie.of([(1, 9), (2, 3, 9), (4, 9)])
    assert trie.chains == ((),)


def test_labels_that_part_late_need_one_text_that_passes_all_branches():
    trie = LabelTrie.of([(1, 9), (2, 3, 9), (2, 4, 5, 9), (2, 4, 6, 9)])
    assert trie.chains == ((2, 4),)
    assert set(trie.branches) == {(), (2,), (2, 4)}


def test_scores_are_a_distribution_over_whole_labels():
    rng = np.random.default_rng(3)
    trie = LabelTrie.of([(1, 9), (2, 3, 9), (2, 4, 9), (5, 9)])
    scores = trie.score({path: np.log(rng.dirichlet(np.ones(VOCABULARY))) for path in trie.branches})
    assert np.exp(scores).sum() == pytest.approx(1)


def test_a_label_is_the_product_of_the_choices_on_its_way():
    trie = LabelTrie.of([(1, 9), (2, 3, 9), (2, 4, 9)])
    root, deep = np.full(VOCABULARY, -50.0), np.full(VOCABULARY, -50.0)
    root[[1, 2]] = np.log([0.1, 0.3])  # among the labels: 1/4 and 3/4
    deep[[3, 4]] = np.log([0.2, 0.2])
    assert np.exp(trie.score({(): root, (2,): deep})) == pytest.approx([0.25, 0.375, 0.375])


@pytest.mark.parametrize("labels", [[(1,), (1, 2)], [(1, 2), (1, 2)]])
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[tuple[int, ...]]):
    with pytest.raises(ValueError, match="beginning of another"):
        LabelTrie.of(labels)
