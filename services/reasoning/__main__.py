"""Engineering verbs of the reasoning service: ``python -m services.reasoning evaluate|search|calibrate|bench``."""

import hashlib
import itertools
import json
import resource
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from services.common.annotations import read_annotations
from services.common.errors import ProblemError
from services.reasoning.calibration import calibration_key, fit, save_calibration
from services.reasoning.counterfactual import CHANGES
from services.reasoning.evaluation import Evaluation, cross_validate, evaluate
from services.reasoning.evaluation import against as compared
from services.reasoning.evaluation import flips as flipped_labels
from services.reasoning.groups.rules import learn, load_groups, rules_of, save_rules
from services.reasoning.llm import LogProbs
from services.reasoning.loading import load_model, load_reasoner, scoring_method
from services.reasoning.photos import tell_photos
from services.reasoning.pipeline import Reasoner
from services.reasoning.prompt import SEGMENTS, prompt_for
from services.reasoning.schemas import ChosenPrompt, LabelledStory, RelationsRequest, Taxonomy
from services.reasoning.scored_stories import as_matrix, score_stories
from services.reasoning.scoring import fitted_method, label_logprobs, method_name
from services.reasoning.search.options import search_options
from services.reasoning.search.outcome import Outcome
from services.reasoning.search.pools import Pools, check_pools, pools_for
from services.reasoning.search.session import run_search
from services.reasoning.search.split import split_stories
from services.reasoning.settings import reasoning_settings
from services.reasoning.stories import in_turns, load_stories, stories_sha256
from services.reasoning.taxonomy import builtin_taxonomies, find_taxonomy

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

StoriesFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="labelled stories, one JSON a line")]
TaxonomyName = Annotated[str, typer.Option("--taxonomy", help="pisc, pipa or a taxonomy's JSON file")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="use only so many stories, labels in turn")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]

_BENCH_STORY = (
    "Four people stand round a table in a sunny garden. <P1>, a woman of about 60 in a blue apron, cuts a cake (<O1>). "
    "<P2>, a boy of about 8, holds out a plate and leans against her. <P3>, a man of about 35 in a white shirt, pours "
    "lemonade (<O2>) and has one arm round <P4>, a woman of about 34 in a yellow dress, who laughs at the boy. A dog "
    "(<O3>) waits under the table. The scene is a family garden in summer."
)


def taxonomy_option(value: str) -> Taxonomy:
    """A built-in taxonomy's name, or a file with the caller's own."""
    if value in builtin_taxonomies() or not Path(value).is_file():
        return find_taxonomy(value)
    return find_taxonomy(Taxonomy.model_validate_json(Path(value).read_text(encoding="utf-8")))


@cli.command("evaluate")
def evaluate_command(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="labelled stories, or a list of PIPA or PISC"),
    ],
    taxonomy: TaxonomyName = "pisc",
    limit: Limit = None,
    *,
    photos: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="folder of the photos that the list annotates")
    ] = None,
    perception: Annotated[
        str, typer.Option(help="address of the perception service that tells the photos")
    ] = "http://127.0.0.1:8001",
    against: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="what --json printed for another run"),
    ] = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="judge the stories of other genders and ages, too: three times the work")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="write an HTML page with pictures there")] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy of the shipped model, prompt and calibration on labelled stories or annotated photos."""
    chosen = taxonomy_option(taxonomy)
    if photos is None:
        stories = load_stories(file, chosen, limit)
    else:
        listed = read_annotations(file.read_text(encoding="utf-8"), str(file), [label.name for label in chosen.labels])
        stories = in_turns(tell_photos(listed, photos, perception, _tell), chosen)[:limit]
    reasoner = load_reasoner(reasoning_settings())
    scores, truth, seconds = _scores(reasoner, stories, chosen)
    labels = [label.name for label in chosen.labels]
    prompt, calibration = reasoner.chosen(chosen, None)
    result = evaluate(
        scores,
        truth,
        labels,
        calibration=calibration,
        stories_sha256=stories_sha256(file),
        about={
            "model": reasoner.model.name,
            "prompt": prompt.identity,
            "method": method_name(reasoner.method_told, calibration),
        },
        seconds_per_story=seconds,
        ids=[story.id for story in stories],
        coarse=[label.coarse for label in chosen.labels],
    )
    if against is not None:
        result.against = compared(result, json.loads(against.read_text(encoding="utf-8"))["right"])
    if flips:
        before = label_logprobs(scores, labels, calibration)
        for what, change in CHANGES.items():
            others = [story.model_copy(update={"story": change(story.story)}) for story in stories]
            after = label_logprobs(_scores(reasoner, others, chosen)[0], labels, calibration)
            result.flips[what] = flipped_labels(before, after)
    if report is not None:
        from services.reasoning.evaluation_report import evaluation_html  # noqa: PLC0415 - Matplotlib takes seconds

        report.write_text(evaluation_html(result), encoding="utf-8")
    print(result.model_dump_json(indent=2) if as_json else _summary(result))


@cli.command()
def calibrate(file: StoriesFile, taxonomy: TaxonomyName = "pisc", limit: Limit = None) -> None:
    """Fit label prior and temperature to labelled stories and write them into weights/reasoning/calibration.json."""
    chosen = taxonomy_option(taxonomy)
    settings = reasoning_settings()
    reasoner = load_reasoner(settings)
    scores, truth, _ = _scores(reasoner, load_stories(file, chosen, limit), chosen)
    labels = [label.name for label in chosen.labels]
    fitted = fit(scores, truth, labels, f"{file.name}, {len(truth)} stories", stories_sha256(file))
    method = fitted_method(chosen.labels, reasoner.method)
    key = calibration_key(reasoner.model.name, prompt_for(chosen).identity, method)
    save_calibration(settings.weights_dir / "reasoning" / "calibration.json", key, fitted)
    print(cross_validate(scores, truth).model_dump_json(indent=2))


@cli.command("learn-rules")
def learn_rules(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="labelled groups, one JSON a line")],
    taxonomy: Annotated[str, typer.Option("--taxonomy", help="pisc or pipa")] = "pisc",
) -> None:
    """Weigh the rules over three people by labelled groups and write them into services/reasoning/groups/."""
    learned = learn(rules_of(find_taxonomy(taxonomy).name), load_groups(file))
    save_rules(taxonomy, learned)
    print("\n".join(f"{rule.weight:8.3f}  {rule.name}" for rule in learned))


@cli.command()
def bench(as_json: AsJson = False) -> None:
    """Seconds and memory: load, one pair explained, six pairs of four people; what sharing the prefix saves."""
    figures: dict[str, dict[str, float | str]] = {}

    def note(name: str, value: float, unit: str) -> None:
        figures[name] = {"value": round(value, 3), "unit": unit}

    began = time.perf_counter()
    reasoner = load_reasoner(reasoning_settings())
    note("load", time.perf_counter() - began, "s")
    cases = {
        "one_pair_explained": RelationsRequest(story=_BENCH_STORY, pairs=[("P3", "P4")]),
        "six_pairs": RelationsRequest(story=_BENCH_STORY, explain=False),
        "six_pairs_explained": RelationsRequest(story=_BENCH_STORY),
    }
    for name, request in cases.items():
        began, began_cpu = time.perf_counter(), time.process_time()
        answer = reasoner.relate(request, lambda: None)
        note(name, time.perf_counter() - began, "s")
        note(f"{name}.cpu", time.process_time() - began_cpu, "s")  # comparable on a machine that has other work
        for stage, seconds in answer.timings_s.items():
            note(f"{name}.{stage}", seconds, "s")
    shared, alone = (_pairs_cost(reasoner, one_by_one=one_by_one) for one_by_one in (False, True))
    for name, (tokens, cpu_s) in {"shared_prefix": shared, "one_by_one": alone}.items():
        note(f"six_pairs_pipa.{name}.tokens", tokens, "tokens")
        note(f"six_pairs_pipa.{name}.cpu", cpu_s, "s")
    note("six_pairs_pipa.times_less_tokens", alone[0] / shared[0], "")
    note("six_pairs_pipa.times_less_cpu", alone[1] / shared[1], "")
    note("peak_rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
    if as_json:
        print(json.dumps({"model": reasoner.model.name, "figures": figures}, indent=2))
    else:
        print("\n".join(f"{name:32} {figure['value']:10} {figure['unit']}" for name, figure in figures.items()))


def _pairs_cost(reasoner: Reasoner[Any], *, one_by_one: bool) -> tuple[int, float]:
    """Tokens and processor seconds of six pairs, PIPA labels, that share what was read; or each from its beginning."""
    prompt = prompt_for(find_taxonomy("pipa"))
    # Under another name it is not kept on disk, so that reading it counts.
    asked = ChosenPrompt(name="bench", **{segment: getattr(prompt, segment) for segment in SEGMENTS})
    people = ("P1", "P2", "P3", "P4")
    pairs = list(itertools.combinations(people, 2))
    reasoner.chosen(find_taxonomy("pipa"), asked)  # what it leans to is measured once, whoever asks first
    before, began = reasoner.model.tokens_read, time.process_time()
    for some in [[pair] for pair in pairs] if one_by_one else [pairs]:
        reasoner.forget_prompts()
        question = RelationsRequest(story=_BENCH_STORY, taxonomy="pipa", pairs=some, explain=False, prompt=asked)
        reasoner.relate(question, lambda: None)
    return reasoner.model.tokens_read - before, time.process_time() - began


@cli.command()
def search(
    file: StoriesFile,
    taxonomy: TaxonomyName = "pisc",
    *,
    limit: Limit = None,
    pools: Annotated[Path | None, typer.Option(exists=True, help="JSON with the texts of each segment")] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder of journal, report and prompt; goes on where it stopped")
    ] = None,
    proposer: Annotated[str, typer.Option(help="gradient, ucb, tpe, random or halving")] = "gradient",
    accept: Annotated[str, typer.Option(help="paired, or always (with gradient: the published algorithm)")] = "paired",
    seed: int = 0,
    batch: int = 8,
    top: Annotated[int, typer.Option(help="rivals per segment")] = 3,
    alpha: Annotated[float, typer.Option(help="largest p-value with which a paired test speaks for a move")] = 0.1,
    steps: int = 20,
    patience: int = 6,
    tokens: Annotated[int | None, typer.Option(help="budget")] = None,
    seconds: Annotated[float | None, typer.Option(help="budget")] = None,
    money: Annotated[float | None, typer.Option(help="budget, with --price-per-million-tokens")] = None,
    price_per_million_tokens: float | None = None,
    compare: Annotated[bool, typer.Option("--compare", help="all ways against each other instead")] = False,
    as_json: AsJson = False,
) -> None:
    """Search the prompt's segments by Greedy Segment Prompt Optimization; ended or killed, the same call goes on."""
    from services.reasoning.search.compare import compare_proposers, compare_steps  # noqa: PLC0415 - needs the extra
    from services.reasoning.search.estimate import estimate  # noqa: PLC0415

    chosen = taxonomy_option(taxonomy)
    options = search_options(
        proposer=proposer, accept=accept, seed=seed, batch=batch, top=top, alpha=alpha, steps=steps, patience=patience,
        tokens=tokens, seconds=seconds, money=money, price_per_million_tokens=price_per_million_tokens,
    )  # fmt: skip
    stories = load_stories(file, chosen, limit)
    texts = Pools.model_validate_json(pools.read_text(encoding="utf-8")) if pools else pools_for(chosen)
    check_pools(texts, chosen, [story.story for story in stories])
    split = split_stories(stories, options.seed)
    model = load_model(reasoning_settings())
    method = scoring_method(model, reasoning_settings())
    cost = estimate(model, texts, split, options, labels=chosen.labels, method=method)
    _tell(f"{len(split.train)} stories to search on, {len(split.validation)} to pick, {len(split.test)} to judge")
    _tell(f"at most {cost.search:,} tokens, {cost.step:,} a step; {cost.judging:,} to judge at the end")
    if compare:
        found = {
            "model": model.name,
            "one_step": compare_steps(model, chosen, texts, split=split, options=options, method=method),
            "equal_tokens": compare_proposers(
                model, chosen, texts, split=split, options=options, method=method, tell=_tell
            ),
        }
        print(json.dumps(found, indent=2))
        return
    about = {
        "stories": stories_sha256(file), "limit": limit, "taxonomy": chosen.model_dump(), "pools": texts.model_dump(),
        "model": model.name, "options": options.model_dump(), "method": method,
    }  # fmt: skip
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    folder = out or reasoning_settings().cache_dir / "searches" / key[:16]
    result = run_search(
        model,
        chosen,
        texts,
        split=split,
        options=options,
        method=method,
        folder=folder,
        about={"search": key},
        tell=_tell,
    )
    _tell(f"report, prompt and journal are in {folder}")
    print(result.model_dump_json(indent=2) if as_json else _search_summary(result))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _search_summary(result: Outcome) -> str:
    test = result.test
    return "\n".join(
        [
            f"{result.steps} steps, {result.tokens:,} tokens, {result.seconds:,.0f} s; ended by {result.stopped}",
            f"start {result.start.identity} {result.start.choice}, best {result.best.identity} {result.best.choice}",
            f"on {test.n} unseen stories: accuracy {test.accuracy_before:.3f} -> {test.accuracy_after:.3f} "
            f"(McNemar p = {test.p_value:.3f}), nll {test.nll_before:.3f} -> {test.nll_after:.3f} "
            f"(p = {test.nll_p_value:.3f})",
        ]
    )


def _scores(
    reasoner: Reasoner[Any], stories: list[LabelledStory], taxonomy: Taxonomy
) -> tuple[LogProbs, NDArray[np.intp], float]:
    """Scores (stories, labels), right labels' indices (stories,) and median seconds per story; progress on stderr."""
    labels = [label.name for label in taxonomy.labels]
    scored = []
    for number, item in enumerate(score_stories(reasoner, stories, taxonomy, reasoning_settings().cache_dir), start=1):
        scored.append(item)
        print(f"\r{number}/{len(stories)} stories", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    truth = np.array([labels.index(story.label) for story in stories])
    return as_matrix(scored), truth, float(np.median([item.seconds for item in scored]))


def _summary(result: Evaluation) -> str:
    low, high = result.accuracy_interval
    honest = result.cross_validated
    lines = [
        f"{result.n} stories, {result.model}, prompt {result.prompt}",
        result.method,
        f"accuracy {result.accuracy:.3f} [{low:.3f}, {high:.3f}], macro F1 {result.macro_f1:.3f}, "
        f"nll {result.nll:.3f}, ece {result.ece:.3f}",
        f"cross-validated: accuracy {honest.accuracy:.3f} [{honest.accuracy_interval[0]:.3f}, "
        f"{honest.accuracy_interval[1]:.3f}], nll {honest.nll:.3f}, uncalibrated {honest.accuracy_uncalibrated:.3f}",
    ]
    if result.against is not None:
        other = result.against
        lines.append(
            f"against the other run, {other.n} stories: {other.gained} gained, {other.lost} lost, "
            f"McNemar p = {other.p_value:.3f}"
        )
    lines += [f"{f.flipped} of {f.n} labels change with {what} ({f.rate:.0%})" for what, f in result.flips.items()]
    rows = [f"  {name:24} n {f.n:3}  recall {f.recall:.2f}  f1 {f.f1:.2f}" for name, f in result.per_class.items()]
    return "\n".join(lines + rows)


if __name__ == "__main__":
    try:
        cli()
    except ProblemError as problem:
        sys.exit(f"{problem.code}: {problem.detail}")
