"""`striate train`: train a net on images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.ranks import launched
from striate.core.report import Report
from striate.training.payload import Training

from . import FOLDERS
from .options import DataArgument, NetLike, Option, count, number, words
from .recipes import PARTS, Teaching, cites_of, prepared, varied
from .session import Session, number_folder, session, shown
from .signature import read_signature
from .tasks import HARDENING, check_task, hardening_for, splits_for, subject_for

if TYPE_CHECKING:
    from striate.core.finding import Finding
    from striate.doctor.history import History

PreprocessOption = Annotated[
    Literal["mean_std", "channel_mean", "mean_image", "min_max"] | None,
    Option("what a net that starts from scratch takes from its pixels first (default: the recipe's)"),
]
HardenOption = Annotated[
    Literal["pgd", "fast", "trades", "free", "ibp"] | None,
    Option("train against attacks within --radius, so that the net withstands them (ibp: for a certificate)"),
]
WithstoodOption = Annotated[
    float | None, Option("largest change to withstand, pixels in [0, 1] (--harden)", "R", number)
]
StepsOption = Annotated[
    int | None,
    Option("steps of the attack within (--harden; default: its own)", "N", lambda text: count(text, "attack-steps")),
]
BetaOption = Annotated[
    float | None, Option("weight of robustness (--harden trades; default: 6)", "X", lambda text: number(text, "beta"))
]
ReplaysOption = Annotated[
    int | None,
    Option("times a batch is learnt from (--harden free; default: 4)", "N", lambda text: count(text, "replays")),
]
TemperatureOption = Annotated[
    float | None, Option("that softens them (task distil; default: 4)", "T", lambda text: number(text, "temperature"))
]
UnitsOption = Annotated[
    int | None, Option("of the layer between (task autoencode; default: 256)", "N", lambda text: count(text, "units"))
]
DropoutOption = Annotated[
    float | None,
    Option(
        "share of them dropped in training (task autoencode; default: 0)", "P", lambda text: number(text, "dropout")
    ),
]
CompileOption = Annotated[bool, Option("let torch.compile make faster code of the net first: for long runs")]
SHAPING = (  # shared options that shape a run
    "limit", "batch", "seed", "partial", "skip_broken", "layout", "shares", "fold", "splits", "precision", "device",
    *PARTS,
)  # fmt: skip


def train(
    data: DataArgument,
    *,
    net: Annotated[NetLike, Option("net to train; a bare SOURCE/ARCH starts from scratch", "NET")] = "striate/small",
    task: Annotated[
        Literal["classify", "distil", "style", "decode", "autoencode"], Option("what to teach")
    ] = "classify",
    style: Annotated[str | Path | None, Option("picture whose style is learnt (task style)", "FILE")] = None,
    against: Annotated[
        NetLike | None, Option("net that judges what is learnt (style: loss net; decode: encoder)", "NET")
    ] = None,
    layer: Annotated[str | None, Option("site of that net whose code is decoded (task decode)", "SITE")] = None,
    teacher: Annotated[NetLike | None, Option("net whose soft targets are learnt (task distil)", "NET")] = None,
    temperature: TemperatureOption = None,
    units: UnitsOption = None,
    dropout: DropoutOption = None,
    recipe: Annotated[
        str | None,
        Option(
            "how to train: a name (`striate methods` lists them), FILE.py:function, FILE.json or a run folder", "RECIPE"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        Option("passes over the training images (default: the recipe's)", "N", lambda text: count(text, "epochs")),
    ] = None,
    rate: Annotated[
        float | None, Option("peak learning rate (default: the recipe's)", "X", lambda text: number(text, "rate"))
    ] = None,
    size: Annotated[
        int | None,
        Option("side that images are brought to (default: their own)", "PX", lambda text: count(text, "size")),
    ] = None,
    augment: Annotated[
        str | tuple[str, ...] | None,
        Option("transforms of training images beside the recipe's; `striate methods` lists them", "T[,T]", words),
    ] = None,
    preprocess: PreprocessOption = None,
    harden: HardenOption = None,
    radius: WithstoodOption = None,
    norm: Annotated[Literal["inf", "2"], Option("norm that measures the change (--harden)")] = "inf",
    attack_steps: StepsOption = None,
    beta: BetaOption = None,
    replays: ReplaysOption = None,
    compile: CompileOption = False,  # noqa: A002  the word for it
    keep: Annotated[
        int | None,
        Option("keep the weights of every Nth epoch too, as nets by their path", "N", lambda text: count(text, "keep")),
    ] = None,
    out: Annotated[str | Path | None, Option("run folder", "RUN")] = None,
    resume: Annotated[bool, Option("go on where the run in this folder stopped")] = False,
    **shared: Unpack[Teaching],
) -> Report[Training]:
    """Train a net; the run folder then holds its weights, its history, and all that is needed to go on or do it again.

    A kill at any moment loses at most the current epoch; `--resume` ends exactly where the uninterrupted run ends, and
    takes from the run folder what it is not told again; where there is no run yet it begins one. The epoch that is
    best on the dev split is kept; the test split is never looked at.

    classify: a net on labelled images. distil: the same, taught by another net's soft targets too (Hinton et al. 2015).
    style: a painter in the style of a picture (Johnson et al. 2016), for `striate synthesize stylize --prior RUN`;
    photographs need no labels. decode: a decoder of a layer's code (Dosovitskiy & Brox 2016), for `striate synthesize
    class --prior RUN`. autoencode: images through a few units and back.
    """
    given: dict[str, Any] = {name: value for name, value in locals().items() if name != "shared"}
    given["style"] = None if style is None else str(style)
    given["augment"] = ",".join(words(augment) if isinstance(augment, str) else augment) if augment else None
    options: dict[str, Any] = dict(shared)
    begun = resume and out is not None and (Path(out) / "run.json").is_file()
    if begun:
        given, options = taken_up(given, options, Path(str(out)))
    with session("train", given, options, Teaching) as run:
        if resume and out is None:
            raise StriateError("--resume is given without --out", accepted="the run folder to go on with")
        folder = Path(out if out is not None else number_folder(FOLDERS["train"], {"data": data}))
        if resume and not begun:
            run.progress.say(f"{folder} holds no run yet: it begins now")
        return trained(run, given, options, folder=folder, resume=begun)


def trained(
    run: Session, given: Mapping[str, Any], options: Mapping[str, Any], *, folder: Path, resume: bool
) -> Report[Training]:
    """The report of a run that is begun, or gone on with, in this folder."""
    from striate.training.loop import fit

    teaching = check_task(given, defaults_of("train"))
    hardening = hardening_for(given, defaults_of("train"))
    name = given["recipe"] or (teaching.recipe if hardening is None else hardening.recipe)
    how = varied(
        name, epochs=given["epochs"], rate=given["rate"], batch=run["batch"], **{part: run[part] for part in PARTS}
    )
    how = prepared(how, augment=given["augment"], preprocess=given["preprocess"])
    splits, judge = splits_for(run, given)
    weights_root = Path(run["weights_root"]) if run["weights_root"] else None
    run.progress.say(splits.said)
    subject = subject_for(run, given, splits, judge)
    if hardening is not None:
        from striate.attacks.hardening.task import hardened

        subject = hardened(
            subject, splits, hardening, recipe=how, seed=run["seed"], weights_root=weights_root,
            precision=run["precision"],
        )  # fmt: skip
    from striate.doctor.attending import Attending

    known = given["task"] == "classify" and hardening is None
    about = about_run(folder, given, data=given["data"], net=given["net"])
    doctor = Attending(splits, batch=how.batch, speak=run.progress.say, about=about)
    watched = known and not given["compile"] and launched().count == 1
    result = fit(
        subject,
        splits,
        out=folder,
        recipe=how,
        seed=run["seed"],
        resume=resume,
        overwrite=run["overwrite"],
        device=run["device"],
        precision=run["precision"],
        compile=given["compile"],
        workers=run["workers"],
        weights_root=weights_root,
        asked=asked_for(given, options),
        keep=given["keep"],
        observers=(doctor,) if watched else (),
        progress=run.progress,
    )
    result = replace(result, run=str(shown(folder)))
    findings: list[Finding] = []
    album: Mapping[str, bytes] = {}
    if known and launched().leads:
        from striate.doctor.runs import findings_of
        from striate.training.findings import next_step

        found, album = findings_of(doctor, folder, result, about=about, splits=splits)
        findings += [*found, *next_step(result, data=about.data, dev=len(splits.dev))]
    files = {path.name: str(shown(path)) for path in sorted(folder.glob("[!.]*.*"))}
    cites = (*teaching.cites, *(hardening.cites if hardening else ()), *cites_of(name, how))
    return run.report(result, findings=findings, album=album, files=files, cites=cites)


def about_run(folder: str | Path, asked: Mapping[str, Any], *, data: Any, net: Any) -> History:
    """What the commands of a run's findings say of it; its epochs follow."""
    from striate.doctor.history import History

    named = asked.get("net", net)
    return History((), 0, False, 0, 0, 0, 0, str(shown(folder)), str(shown(data)), str(shown(named)), asked.get("size"))


def asked_for(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that shape a run, as its folder keeps them for `--resume`."""
    names = (
        "task",
        "style",
        "layer",
        "temperature",
        "units",
        "dropout",
        "recipe",
        "epochs",
        "rate",
        "size",
        "augment",
        "preprocess",
        "keep",
        "harden",
        *HARDENING,
    )
    asked = {name: given[name] for name in names}
    asked |= {name: str(given[name]) for name in ("net", "against", "teacher") if isinstance(given[name], (str, Path))}
    asked |= {name: str(options[name]) if name == "splits" else options[name] for name in SHAPING if name in options}
    return {name: value for name, value in asked.items() if value is not None}


def taken_up(
    given: Mapping[str, Any], options: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a run that goes on: what is not given is as it was begun with."""
    from striate.training.run import read_record

    asked = read_record(folder).asked
    defaults = defaults_of("train")
    plain = {name for name, value in given.items() if isinstance(value, (str, int, float, type(None)))}
    merged = {
        name: asked.get(name, value) if name in plain and name in defaults and value == defaults[name] else value
        for name, value in given.items()
    }
    return merged, {**{name: asked[name] for name in SHAPING if name in asked}, **options}


def defaults_of(verb: str) -> dict[str, Any]:
    """The default of each option."""
    return {name: parameter.default for name, parameter in read_signature(verb)[1].items()}
