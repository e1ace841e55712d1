"""`striate transfer`: make a net that knows other images tell these apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from striate.core.errors import StriateError
from striate.core.report import Report
from striate.learn.transfer.payload import ByLayer, Transfer

from . import FOLDERS
from .options import DataArgument, Learning, NetArgument, Option, at_least_one, count, number, words
from .session import Session, as_taken, number_folder, session, shown, write_into

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.learn.transfer.transfer import Wish


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers of at least 1, separated by commas."""
    return tuple(count(part, "shots") for part in words(text))


BY_LAYER = Option("instead: train NET on half of the classes, and see which of its layers serve the other half")
SIZE = Option("side that images are brought to (default: the net's)", "PX", lambda text: count(text, "size"))
POLICY = Option("what learns: the head by a linear classifier of codes, or by gradient more and more of the net")
AGAINST = Option("policies to train too, to compare with", "P[,P]", words)
SHOTS = Option("few-shot curve: images a class, against HOG and pixels", "N[,N]", whole_numbers)


def transfer(
    net: NetArgument,
    data: DataArgument,
    *,
    policy: Annotated[Literal["auto", "features", "last", "blocks", "all", "scratch"], POLICY] = "auto",
    against: Annotated[str | tuple[str, ...] | None, AGAINST] = None,
    classifier: Annotated[Literal["softmax", "svm"], Option("linear classifier of the codes")] = "softmax",
    norm: Annotated[
        Literal["auto", "frozen", "free"], Option("batch normalisation (auto: frozen below 200 images a class)")
    ] = "auto",
    shots: Annotated[str | tuple[int, ...] | None, SHOTS] = None,
    draws: Annotated[int, Option("draws of the few-shot curve", "N", lambda text: count(text, "draws"))] = 10,
    epochs: Annotated[
        int | None, Option("passes over the training images", "N", lambda text: count(text, "epochs"))
    ] = None,
    rate: Annotated[float | None, Option("peak learning rate", "X", lambda text: number(text, "rate"))] = None,
    by_layer: Annotated[bool, BY_LAYER] = False,
    seeds: Annotated[int, Option("seeds of --by-layer", "N", lambda text: count(text, "seeds"))] = 3,
    size: Annotated[int | None, SIZE] = None,
    out: Annotated[str | Path | None, Option("run folder", "RUN")] = None,
    resume: Annotated[bool, Option("go on where the run in this folder stopped")] = False,
    **shared: Unpack[Learning],
) -> Report[Transfer] | Report[ByLayer]:
    """Make a net that knows other images tell these apart; the run folder is then a net that every verb takes.

    The last layer is replaced by one for the classes of the data. By default the number of images a class, and how
    well the net's codes part them, choose what learns: `features` a linear classifier of the codes, written back as
    the last layer; `last` that layer by gradient; `blocks` the last third of the net too; `all` every layer, early
    ones slower and later; `scratch` nothing is kept. The test split chooses nothing. Codes are kept on disk, so that a
    second run is quick.

    With --by-layer NET is an architecture (`striate/small`), trained on the first half of the classes (A) and on the
    other (B); then its first n layers, kept or learning on, are put below new ones that learn B, for every n.

    Cost: one forward pass an image for codes and one for each test image; policies that train see about 1,200 images,
    at least each once. With --by-layer 2 + 4 n trainings of 60,000 images a seed.

    Source: Howard & Ruder 2018 (rates by depth, thawing), Kumar et al. 2022 (head first), Donahue et al. 2014, Yosinski
    et al. 2014 (by layer).
    """
    given = {
        "net": net, "data": data, "policy": policy, "against": against, "classifier": classifier, "norm": norm,
        "shots": shots, "draws": draws, "epochs": epochs, "rate": rate, "size": size, "out": out, "resume": resume,
        "by_layer": by_layer, "seeds": seeds,
    }  # fmt: skip
    with session("transfer", given, shared, Learning) as run:
        from striate.learn.transfer.findings import transfer_findings
        from striate.learn.transfer.transfer import check_policies, transfer_net

        if by_layer:
            from .layered import layer_report

            return layer_report(run, given, folder_of(given))
        wish = wish_of(given, batch=run["batch"], seed=run["seed"])
        check_policies(wish)
        folder = folder_of(given)
        loaded = run.net(net)
        if size is not None:
            loaded = sized(loaded, size)
        splits = run.splits(data)
        run.progress.say(splits.said)
        train, dev, test = (as_taken(part, loaded) for part in splits)
        result = transfer_net(
            loaded,
            replace(splits, train=train, dev=dev, test=test),
            out=folder,
            wish=wish,
            resume=resume,
            overwrite=run["overwrite"],
            device=run["device"],
            workers=run["workers"],
            progress=run.progress,
        )
        name, place = str(shown(data)), str(shown(folder))
        training = replace(result.training, run=place)
        result = replace(result, net=str(shown(net)), data=name, run=place, training=training)
        image = image_of(data, test)
        findings = transfer_findings(result, run=place, net=str(shown(net)), data=name, image=image)
        return _written(run, result, findings, folder)


def image_of(data: Any, test: Dataset) -> str:
    """Path of a test image, where the data are a folder of files; else nothing."""
    file = Path(data) / test.name_of(0) if isinstance(data, (str, Path)) else None
    return str(shown(file)) if file is not None and file.is_file() else ""


def folder_of(given: Mapping[str, Any]) -> Path:
    """The run folder: the one that was named, else the first free one."""
    if given["resume"] and given["out"] is None:
        raise StriateError("--resume is given without --out", accepted="the run folder to go on with")
    out = given["out"]
    return Path(out if out is not None else number_folder(FOLDERS["transfer"], {"data": given["data"]}))


def wish_of(given: Mapping[str, Any], *, batch: int | None, seed: int) -> Wish:
    """What is asked for, from the verb's arguments."""
    from striate.learn.transfer.transfer import Wish

    against, shots = given["against"], given["shots"]
    return Wish(
        policy=given["policy"],
        against=words(against) if isinstance(against, str) else tuple(against or ()),
        classifier=given["classifier"],
        frozen_norm={"auto": None, "frozen": True, "free": False}[given["norm"]],
        shots=whole_numbers(shots) if isinstance(shots, str) else tuple(shots or ()),
        draws=at_least_one(given["draws"], "draws"),
        epochs=given["epochs"],
        rate=given["rate"],
        batch=batch,
        seed=seed,
    )


def sized(net: Any, side: int) -> Any:
    """The net that takes images of another side, brought to it in the same proportions.

    Raises:
        StriateError: It is built for one size.
    """
    if net.size is not None and net.size != (side, side):
        raise StriateError(f"--size {side} for {net.name}", accepted=f"{net.size[0]}: it is built for that size")
    if side < net.least_size:
        raise StriateError(f"--size {side} for {net.name}", accepted=f"at least {net.least_size}")
    known = net.geometry
    if known is None:
        return net.adapted(size=side)
    resize = None if known.resize is None else round(known.resize * side / min(known.size))
    return net.adapted(geometry=replace(known, size=(side, side), resize=resize))


def _written(run: Session, result: Transfer, findings: list[Any], folder: Path) -> Report[Transfer]:
    cites = ["yosinski2014transferable", "donahue2014decaf", "kornblith2019better", "dalal2005histograms"]
    names = {row.name for row in result.rows}
    cites += ["howard2018universal", "kumar2022fine"] if names & {"blocks", "all"} else []
    cites += ["csurka2004visual", "lazebnik2006beyond"] if "words" in names else []
    files = {path.name: str(shown(path)) for path in sorted(folder.glob("[!.]*.*"))}
    return write_into(run.report(result, findings=findings, files=files, cites=cites), folder)
