"""What every verb does around its own work: settings, names to nets and data, counting, origin, writing."""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from striate.core.cite import bibtex
from striate.core.errors import StriateError
from striate.core.finding import Finding, ranked
from striate.core.progress import Progress
from striate.core.ranks import joined, launched
from striate.core.report import Cost, Origin, Report
from striate.core.storage import check_place, write_bytes, write_text

from .options import DataLike, NetLike, geometry

if TYPE_CHECKING:
    from striate.core.image import Geometry
    from striate.data.dataset import Dataset, Splits
    from striate.data.division import Division
    from striate.measure.table import Table
    from striate.nets.net import Net
    from striate.nets.passes import Passes

T = TypeVar("T")
ABOUT_DATA = (  # options that say which data are meant, and how they come to a net
    "data_root", "partial", "layout", "shares", "fold", "splits", "skip_broken", "geometry",
)  # fmt: skip
SIZED = ("train", "find-rate", "init-stats", "baselines", "learning-curve", "search")  # to them --size goes along too
PAGE = "report.html"
MARK = "report.json"  # a folder that holds it is ours to write over
# verbs that look after their own place
OWN_PLACES = {"convert", "demo", "examine", "learning-curve", "search", "train", "transfer"}
TOGETHER = ("train", "evaluate", "attack")  # verbs that several processes of a launcher share


@dataclass
class Session:
    """One call of a verb: its settings, and what it used so far."""

    verb: str
    arguments: Mapping[str, Any]
    settings: Mapping[str, Any]
    progress: Progress
    passes: Passes | None
    begun: float
    cites: list[str] = field(default_factory=list)
    net_origin: dict[str, Any] | None = None
    data_origin: dict[str, Any] | None = None
    memory_format: str = "contiguous"
    findings: list[Finding] = field(default_factory=list)
    used: list[Dataset] = field(default_factory=list)
    recognised: dict[str, Splits] = field(
        default_factory=dict
    )  # data are looked through once, whatever is taken of them

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def net(self, given: NetLike, *, weights: bool = True, channels: int | None = None) -> Net:
        """The net of this name on the session's device."""
        from striate.nets.load import load_net

        root = self.settings.get("weights_root")
        net = load_net(given, weights_root=Path(root) if root else None, channels=channels, weights=weights)
        self.cites += net.origin.cites
        self.net_origin = {
            "name": shown(given) or net.name,
            "source": net.origin.source,
            "licence": net.origin.licence,
            "fingerprint": net.fingerprint()[:16] if weights else None,
        }
        return self._placed(net, given)

    def _placed(self, net: Net, given: NetLike) -> Net:
        """The net on the device asked for; a caller's own net is copied rather than moved."""
        import copy

        import torch
        from torch import nn

        if any(isinstance(module, nn.Conv2d) for module in net.modules()):  # passes then run in the faster layout
            self.memory_format = "channels_last"
        own = isinstance(given, nn.Module)
        here = next((each.device for each in net.parameters()), torch.device("cpu"))
        device = torch.device(self.settings.get("device", "cpu"))
        if here == device or (own and "device" not in self.arguments):
            return net
        return (copy.deepcopy(net) if own else net).to(device)

    def data(self, given: DataLike, net: Net | None = None, *, labels: bool = True) -> Dataset:
        """The split that was asked for, as the net takes it, cut to the limit.

        Without ``labels`` a folder of images that nothing gives a class is taken too; classes need not be the net's.
        """
        from striate.data.dataset import Dataset
        from striate.data.load import load_data
        from striate.measure.alignment import aligned

        found = self._recognised(given, unlabelled=not labels)
        data = load_data(found, split=self["split"])
        if data.task == "none" and not isinstance(found, Dataset) and (whole := sum(map(len, found))) > len(data):
            words = f"{len(data):,} of {whole:,} images, the split {data.split}; --shares 0/0/100 takes all"
            self.progress.say(f"{data.name}: {words}")
        if net is not None:
            how = self["geometry"]
            data = as_taken(data, net, how=None if how is None else geometry(str(how)))
            data, said = aligned(data, net) if labels else (data, "")
            if said:
                self.progress.say(said)
        data = data.limit(self["limit"])
        self._note(data)
        return data

    def table(self, net: Net, data: Dataset) -> Table:
        """What the net says of every image: made once, and passed on to all that needs it."""
        from striate.measure.table import predict

        return predict(
            net,
            data,
            batch=self["batch"],
            memory=self["memory"],
            workers=self["workers"],
            precision=self["precision"],
            progress=self.progress,
        )

    def splits(self, given: DataLike, *, size: int | None = None, unlabelled: bool = False) -> Splits:
        """All splits of the data, each cut to the limit, images brought to ``size`` where one is given.

        With ``unlabelled`` a folder of images that nothing gives a class is taken too.
        """
        from striate.data.load import load_splits

        splits = load_splits(self._recognised(given, unlabelled=unlabelled), size=size)
        limit = self["limit"]
        if limit is not None:
            splits = replace(
                splits, train=splits.train.limit(limit), dev=splits.dev.limit(limit), test=splits.test.limit(limit)
            )
        self._note(splits.train)
        self.used += [splits.dev, splits.test]
        return splits

    def report(
        self,
        result: T,
        *,
        findings: Sequence[Finding] = (),
        album: Mapping[str, bytes] | None = None,
        arrays: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        cites: Sequence[str] = (),
    ) -> Report[T]:
        """The envelope around a result, with origin and cost up to now."""
        self.cites += cites
        findings = [self._runnable(each) for each in findings]
        origin = Origin(
            command=command_line(self.verb, self.arguments),
            arguments={name: shown(value) for name, value in self.arguments.items()},
            seed=self.settings.get("seed"),
            versions=versions(),
            device=str(self.settings.get("device", "cpu")),
            threads=_threads(),
            precision=str(self.settings.get("precision", "float32")),
            memory_format=self.memory_format if self.passes and self.passes.forward else "",
            net=self.net_origin,
            data=self.data_origin,
            cites=tuple(dict.fromkeys(self.cites)),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        forward, backward = (self.passes.forward, self.passes.backward) if self.passes else (0, 0)
        cost = Cost(forward, backward, round(time.monotonic() - self.begun, 3), _peak_bytes())
        return Report(
            self.verb,
            result,
            ranked(self._late(findings)),
            origin,
            cost,
            files or {},
            album=album or {},
            arrays=arrays or {},
        )

    def _runnable(self, finding: Finding) -> Finding:
        """The finding with a command that is about the same data: options that say which they are go along."""
        from . import VERBS
        from .signature import read_signature

        words = shlex.split(finding.command)
        if len(words) < 2 or words[0] != "striate" or words[1] not in VERBS:
            return finding
        _, options = read_signature(words[1])
        more: list[str] = []
        for name in (*ABOUT_DATA, "size") if words[1] in SIZED else ABOUT_DATA:
            value, flag = self.arguments.get(name), f"--{name.replace('_', '-')}"
            if value not in (None, False) and name in options and flag not in words:
                more += [flag] if value is True else [flag, str(shown(value))]
        command = shlex.join([*words, *more])
        same = command == command_line(self.verb, {**self.arguments, "out": None})
        return replace(finding, command="" if same else command)

    def _recognised(self, given: DataLike, *, unlabelled: bool = False) -> Dataset | Splits:
        """What a name or a path stands for, found once a session."""
        from striate.data.dataset import Dataset
        from striate.data.load import load_splits

        if isinstance(given, Dataset):
            return given
        if not isinstance(given, (str, Path)):
            return load_splits(given, **self._data_options())
        key = f"{given}, unlabelled" if unlabelled else str(given)
        if key not in self.recognised:
            self.recognised[key] = load_splits(given, unlabelled=unlabelled, **self._data_options())
        return self.recognised[key]

    def _data_options(self) -> dict[str, Any]:
        root = self["data_root"]
        return {
            "root": Path(root) if root else None,
            "partial": self["partial"],
            "skip_broken": self["skip_broken"],
            "layout": self["layout"] or "",
            "division": self._division(),
        }

    def _division(self) -> Division | None:
        """How undivided data are to be divided, where something was said of it."""
        from striate.data.division import SHARES, Division, parse_fold, parse_shares

        shares, fold, file = self["shares"], self["fold"], self["splits"]
        if shares is not None and fold is not None:
            raise StriateError(f"--shares {shares} and --fold {fold}", accepted="one of the two")
        if shares is None and fold is None and file is None:
            return None
        return Division(
            SHARES if shares is None else parse_shares(str(shares)),
            None if fold is None else parse_fold(str(fold)),
            None if file is None else Path(file),
        )

    def _late(self, findings: Sequence[Finding]) -> list[Finding]:
        """All findings; files of a huge folder that were found broken only when they were read are counted by now."""
        found = [*findings, *self.findings]
        if all(data.left_out() == data.broken for data in self.used):
            return found
        from striate.data.dataset import broken_finding

        now = broken_finding(*self.used)
        return found if now is None else [*(each for each in found if each.id != now.id), now]

    def _note(self, data: Dataset) -> None:
        from striate.data.dataset import broken_finding

        self.used.append(data)
        finding = broken_finding(data)
        if finding is not None:
            self.findings.append(finding)
        self.cites += data.cites
        self.data_origin = {
            "name": data.name,
            "split": data.split,
            "n": len(data),
            "layout": data.layout,
            "licence": data.licence,
            "fingerprint": data.fingerprint()[:16],
        }


@contextmanager
def session(verb: str, arguments: Mapping[str, Any], shared: Mapping[str, Any], kind: type) -> Iterator[Session]:
    """Set up a verb's call; whatever was set (threads, precision) is as it was afterwards.

    Args:
        verb: Its name.
        arguments: The verb's own arguments.
        shared: The shared options that were given.
        kind: The TypedDict of shared options that the verb takes; the defaults are read from it.
    """
    settings = with_defaults(shared, kind)
    here = launched()
    if here.count > 1 and verb not in TOGETHER:
        raise StriateError(
            f"{verb} is started as {here.count} processes", accepted=f"one; several for {', '.join(TOGETHER)}"
        )
    progress = Progress(quiet=bool(settings["quiet"]) or not here.leads)
    given = {**arguments, **shared}
    if arguments.get("out") is not None and verb not in OWN_PLACES:
        check_folder(Path(arguments["out"]), overwrite=bool(settings["overwrite"]))
    with ExitStack() as stack:
        passes: Passes | None = None
        if "device" in settings:  # what does not compute loads no torch
            from striate.nets.budget import at_most
            from striate.nets.passes import counting

            stack.enter_context(joined(str(settings["device"])))
            stack.enter_context(_arithmetic(settings))
            if "memory" in settings:  # elsewhere --batch is the images a step of training
                stack.enter_context(at_most(settings["batch"]))
            passes = stack.enter_context(counting())
        yield Session(verb, given, settings, progress, passes, time.monotonic())


def with_defaults(shared: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Every shared option of ``kind`` with its value; an unknown name is a TypeError as for any function."""
    from .signature import shared_options

    options = shared_options(kind)
    if unknown := set(shared) - set(options):
        raise TypeError(f"unexpected option {min(unknown)!r}; this verb takes {', '.join(sorted(options))}")
    settings = {name: option.default for name, (_, option) in options.items()}
    settings.update({name: value for name, value in shared.items() if value is not None})
    for name in ("limit", "batch", "threads"):
        if settings.get(name) is not None and settings[name] < 1:
            raise StriateError(f"{name} is {settings[name]}", accepted="a whole number of at least 1")
    return settings


@contextmanager
def _arithmetic(settings: Mapping[str, Any]) -> Iterator[None]:
    import torch

    _check_device(str(settings["device"]))
    before = torch.get_num_threads()
    kind = str(settings["device"]).partition(":")[0]
    try:
        if settings["threads"] is not None:
            torch.set_num_threads(settings["threads"])
        half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(settings["precision"])
        with torch.autocast(kind, half or torch.bfloat16, enabled=half is not None):
            yield
    finally:
        torch.set_num_threads(before)


def _check_device(name: str) -> None:
    import torch

    accepted = ["cpu"]
    if torch.cuda.is_available():
        accepted += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        accepted.append("mps")
    if name not in accepted:
        raise StriateError(f"device is {name!r}", accepted=f"on this machine: {', '.join(accepted)}")


def as_taken(data: Dataset, net: Net, *, how: Geometry | None = None) -> Dataset:
    """The data with the channels that the net takes, and its size, or brought to it as ``how`` says."""
    from striate.core.image import Geometry

    if data.channels != net.channels:
        data = data.as_channels(net.channels)
    if how is not None:
        return data.resized(how)
    if net.geometry is not None and data.size != net.geometry.size:
        return data.resized(net.geometry)
    if net.size is not None and data.size != net.size:
        return data.resized(Geometry(net.size))
    return data


def shown(value: Any) -> Any:
    """A value as reports and their commands show it: objects by name, absolute paths from the working folder.

    A path outside of the working folder is shown by its last part: reports hold no absolute paths.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, Path)):
        head, at, tail = str(value).partition("@")
        return f"{head}@{_from_here(tail)}" if at else _from_here(head)
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    return getattr(value, "name", None) or type(value).__name__


def _from_here(text: str) -> str:
    path = Path(text)
    if not path.is_absolute():
        return text
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


def command_line(verb: str, arguments: Mapping[str, Any], *, always: Sequence[str] = ()) -> str:
    """The command that does the same: positionals as they stand, then what differs from the defaults.

    Options named in ``always`` stand there even where they have their defaults.
    """
    from .signature import read_signature

    positional, options = read_signature(verb)
    parts = ["striate", verb]
    for name in positional:
        value = shown(arguments.get(name))
        parts += [str(each) for each in value] if isinstance(value, list) else [str(value)] if value is not None else []
    for name, parameter in options.items():
        value = shown(arguments.get(name, parameter.default))
        usual = value == shown(parameter.default) and name not in always
        if usual or value is None or name == "quiet":
            continue
        flag = f"--{name.replace('_', '-')}"
        text = ",".join(str(each) for each in value) if isinstance(value, list) else str(value)
        parts += [flag] if value is True else [flag, text]
    return shlex.join(parts)


def versions() -> dict[str, str]:
    """Versions of Striate, Python and the libraries that are loaded."""
    from striate.core.version import VERSION

    known = {"striate": VERSION, "python": platform.python_version()}
    for name in ("torch", "torchvision", "timm", "numpy", "lightning-fabric"):
        if name.replace("-", "_") in sys.modules:
            try:
                known[name] = version(name)
            except PackageNotFoundError:
                known[name] = "unknown"
    return known


def distinct_names(given: Sequence[Any]) -> list[str]:
    """What each is called; equal names are told apart by number."""
    names = [str(shown(each) or "net") for each in given]
    return [
        name if names.count(name) == 1 else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def number_folder(pattern: str, given: Mapping[str, Any]) -> str:
    """The first path ``pattern``, ``pattern-2``... that is free; ``{data}`` in it stands for the name of the data."""
    name = Path(str(given.get("data", ""))).name.partition(":")[0]
    stem, dot, ending = (
        pattern.format(data=name or "data").rpartition(".")
        if "." in Path(pattern).name
        else (pattern.format(data=name or "data"), "", "")
    )
    tries = (f"{stem}{'' if number == 1 else f'-{number}'}{dot}{ending}" for number in range(1, 10_000))
    return next(path for path in tries if not Path(path).exists())


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Before any work: whether the folder is free, or may be emptied because Striate made it and was told to."""
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise StriateError(f"{folder} is there already", hint="--overwrite, or another --out")
        if not (folder / MARK).exists():
            raise StriateError(
                f"{folder} holds files that Striate did not write; it is left as it is", hint="another --out"
            )
    elif folder.exists() and not folder.is_dir():
        raise StriateError(f"{folder} is a file, not a folder", hint="another --out")
    check_place(folder / MARK)


def claim_folder(folder: Path, *, overwrite: bool) -> Path:
    """The folder, empty and ready to be written into, once `check_folder` has nothing against it."""
    check_folder(folder, overwrite=overwrite)
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StriateError(f"cannot write {folder}: {error.strerror}", hint="another --out") from error
    return folder


def write_out(report: Report[T], out: str | Path | None, *, overwrite: bool) -> Report[T]:
    """Write a report into ``out``: JSON, page, pictures, arrays, citations; gives it with its files named."""
    if out is None or not launched().leads:  # of several processes the first alone writes
        return report
    return write_into(report, claim_folder(Path(out), overwrite=overwrite))


def write_into(report: Report[T], folder: Path) -> Report[T]:
    """Write a report into a folder that may hold other things: what has its files' names is written over."""
    files = dict(report.files)
    for name, data in report.album.items():
        write_bytes(folder / name, data)
        files[name] = name
    if report.arrays:
        import numpy as np

        from striate.core.storage import write_with

        for name, values in report.arrays.items():
            array = values.detach().cpu().numpy()
            write_with(folder / name, lambda stream, array=array: np.savez_compressed(stream, values=array))  # type: ignore[misc]
            files[name] = name
    if report.origin.cites:
        write_text(folder / "citations.bib", bibtex(report.origin.cites) + "\n")
        files["citations"] = "citations.bib"
    files["report"] = MARK
    from striate.page.html import has_page, render_page

    if has_page(report):
        files["page"] = PAGE
    report = replace(report, files=files)
    report.save(folder / MARK)
    if has_page(report):
        write_text(folder / PAGE, render_page(report))
    return report


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else None


def _peak_bytes() -> int | None:
    try:
        import resource
    except ImportError:  # Windows has no such count
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
