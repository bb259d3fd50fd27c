"""Fuzz the configuration: reading, writing, editing and comparing, in both languages.

An input is a language, a configuration, commands for it and another configuration. With atheris installed (it is not
part of the project's environment) the search follows the coverage of engine.config; without it, what findings and
models come out.

    python -m tests.fuzz.fuzz_config --seconds 600
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import random
import sys
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

GUIDED = atheris is not None and __name__ == "__main__"

with atheris.instrument_imports(include=["engine.config"]) if GUIDED else contextlib.nullcontext():
    for found in pkgutil.walk_packages(importlib.import_module("engine.config").__path__, "engine.config."):
        importlib.import_module(found.name)

from engine.config.difference.compare import Flows, compare, unified  # noqa: E402
from engine.config.editing.rewrite import CannotEdit, rewrite, run_commands, write_states  # noqa: E402
from engine.config.language.balanceng import dump as dump_balanceng  # noqa: E402
from engine.config.language.toml import dump as dump_toml  # noqa: E402
from engine.config.load import load  # noqa: E402
from tests.fuzz import mutate  # noqa: E402 - the parsers have to be imported first, to be instrumented
from tests.fuzz.loop import CORPUS, SLOW_S, Broken, Run, options, quick  # noqa: E402

BETWEEN = b"\n\x1e\n"
LANGUAGES = ("balanceng", "toml")
MOST = 128 * 1024
LARGE_EVERY = 500
LIMIT_S = SLOW_S * (3 if GUIDED else 1)
"""Code that is instrumented takes up to three times as long (measured on the largest configurations)."""

FLOWS = Flows(
    servers=dict.fromkeys(range(1, 513), 3),
    targets=dict.fromkeys(range(1, 1025), 2),
    pairs={(1, 1): 1, (1, 2): 7},
)


def pack(language, text, commands=b"", other=b""):
    return BETWEEN.join((language.encode(), text, commands, other))


def unpack(data):
    """Return language, configuration, commands and another configuration; any bytes are an input."""
    parts = [*data.split(BETWEEN, 3), b"", b"", b"", b""][:4]
    if data.count(BETWEEN) < 1:
        parts = [LANGUAGES[len(data) % 2].encode(), data, b"", b""]
    return "toml" if parts[0] == b"toml" else "balanceng", *parts[1:]


def check(data):
    """Do all that the engine does with a configuration. Raises where a promise is broken."""
    language, text, commands, other = unpack(data)
    loaded = _load(text, language)
    _load(text, None)
    _edit(loaded, commands.decode(errors="replace"))
    if not loaded.ok:
        return
    _write_and_read(loaded.config)
    _states(loaded)
    second = _load(other, language)
    if second.ok:
        _compare(loaded, second)
        _rewrite(loaded, second)


def _load(data, language):
    with quick("load", LIMIT_S):
        loaded = load(data, "fuzz", language=language)
    lines = loaded.text.split("\n")
    for finding in loaded.findings:
        str(finding)
        if not (1 <= finding.line <= len(lines) and finding.column >= 1 and finding.length >= 0):
            raise Broken(f"a finding outside the text: {finding}")
        if finding.column > len(lines[finding.line - 1]) + 2:
            raise Broken(f"a finding beyond its line: {finding}")
        if not finding.message.isprintable() or not finding.hint.isprintable():
            raise Broken(f"a finding that cannot be printed: {finding!r}")
    return loaded


def _write_and_read(config):
    for dump, language in ((dump_balanceng, "balanceng"), (dump_toml, "toml")):
        with quick(f"dump {language}", LIMIT_S):
            text = dump(config)
        again = load(text, "fuzz", language=language)
        if again.config != config:
            raise Broken(f"written and read again as {language} it is another: {again.findings[:3]}")
        if not again.ok:
            raise Broken(f"what was valid is not after writing it as {language}: {again.findings[:3]}")


def _edit(loaded, commands):
    if loaded.config is None:  # no text to edit
        return
    with quick("run_commands", LIMIT_S):
        edited = run_commands(loaded.text, loaded.language, commands, "command")
    lines = commands.split("\n")
    for finding in edited.findings:
        if not 1 <= finding.line <= len(lines):
            raise Broken(f"a finding outside the commands: {finding}")
    if not edited.ok:
        if edited.text != loaded.text:
            raise Broken("refused commands changed the text")
    elif loaded.ok and edited.text.strip():  # an empty file is refused where it is applied
        again = load(edited.text, "fuzz", language=loaded.language)
        if not again.ok:
            raise Broken(f"accepted commands made an invalid text: {again.findings[:3]}")


def _states(loaded):
    config = loaded.config
    wanted = {("target", t.number): not t.enabled for t in config.targets}
    wanted |= {("server", s.number): bool(s.number % 2) for s in config.servers} | {("target", 1000): True}
    try:
        with quick("write_states", LIMIT_S):
            text = write_states(loaded.text, loaded.language, wanted)
    except CannotEdit as error:
        if loaded.language == "balanceng":
            raise Broken(f"states cannot be written: {error}") from error
        return
    now = load(text, "fuzz", language=loaded.language)
    for kind, items in (("target", now.config.targets), ("server", now.config.servers)):
        for item in items:
            if item.enabled != wanted.get((kind, item.number), item.enabled):
                raise Broken(f"a state was not written: {kind} {item.number}")
    if write_states(text, loaded.language, wanted) != text:
        raise Broken("writing states twice is not writing them once")


def _compare(one, two):
    for old, new in ((one, two), (two, one), (one, one)):
        with quick("compare", LIMIT_S):
            changes = compare(old.config, new.config, FLOWS)
        if bool(changes) == (old.config == new.config):
            raise Broken(f"the comparison says {changes[:2]} of configurations that are not so")
        for change in changes:
            if not (change.message + change.effect + change.subject).isprintable():
                raise Broken(f"a change that cannot be printed: {change!r}")
        with quick("unified", LIMIT_S):
            unified(old.text, new.text, "old", "new")


def _rewrite(one, two):
    for old, new in ((one, two), (two, one)):
        try:
            with quick("rewrite", LIMIT_S):
                text = rewrite(old.text, old.language, new.config)
        except CannotEdit as error:
            if old.language == "balanceng":
                raise Broken(f"cannot be rewritten: {error}") from error
            continue
        if text.strip() and load(text, "fuzz", language=old.language).config != new.config:
            raise Broken("rewritten it says something else")
        if rewrite(text, old.language, new.config) != text:
            raise Broken("rewritten twice it is not what it is once")


def mutated(data, rng):
    """Make another input of one."""
    language, text, commands, other = unpack(data)
    if rng.random() < 0.02:
        language = rng.choice(LANGUAGES)
    pick = rng.random()
    if pick < 0.6:
        text = mutate.text(rng, text.decode(errors="replace"), language).encode()
    elif pick < 0.7:
        text = mutate.encoded(rng, text)
    elif pick < 0.75:
        text = rng.choice(mutate.SEEDS[language])
    if rng.random() < 0.4:
        commands = mutate.text(rng, commands.decode(errors="replace"), "balanceng").encode()
    if rng.random() < 0.3:
        other = mutate.text(
            rng, (text if rng.random() < 0.5 else other).decode(errors="replace"), language
        ).encode()
    if rng.randrange(LARGE_EVERY) == 0:
        text = mutate.large(rng, language).encode()
    return pack(language, text, commands, other)


def seeds():
    """Samples, their translations, and what was found before."""
    commands = "\n".join(mutate.STATEMENTS["balanceng"][:3]).encode()
    for language in LANGUAGES:
        one, *others = mutate.SEEDS[language]
        for line, other in zip(mutate.STATEMENTS["balanceng"], others, strict=False):
            yield pack(language, one, line.encode(), other)
        for text in mutate.SEEDS[language]:
            yield pack(language, text, commands, text)
            config = load(text, "seed", language=language).config
            other = LANGUAGES[language == "balanceng"]
            dump = dump_toml if other == "toml" else dump_balanceng
            yield pack(other, dump(config).encode(), b"target 1 weight 5", text)
        for line in mutate.STATEMENTS["balanceng"]:
            yield pack(language, mutate.SEEDS[language][0], line.encode(), mutate.SEEDS[language][-1])
    for path in sorted((CORPUS / "config").glob("*.bin")):
        yield path.read_bytes()


def unguided(run, rng):
    """Search without coverage: an input is worth keeping when its findings are of kinds not seen together before."""
    pool, seen = list(seeds()), set()
    for data in pool:
        run.one(data)
    while not run.over:
        data = mutated(rng.choice(pool), rng)
        run.one(data)
        language, text, *_ = unpack(data)
        if len(data) < 16_000:
            kinds = frozenset(f.code for f in load(text, "fuzz", language=language).findings)
            if (kinds, language) not in seen and len(seen) < 5_000:
                seen.add((kinds, language))
                pool.append(data)


def guided(run, seed):
    """Search by coverage; does not return, since libFuzzer owns the loop."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"bng-fuzz-{os.getpid()}"
    folder.mkdir()
    for number, data in enumerate(seeds()):
        (folder / str(number)).write_bytes(data)

    def one(data):
        run.one(data)
        if run.over:
            status = run.report()
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            os._exit(status)

    def custom(data, max_size, seed):
        rng = random.Random(seed)
        new = atheris.Mutate(data, max_size) if rng.random() < 0.1 else mutated(data, rng)
        return new[:max_size]

    # libFuzzer's own limits are off: time and memory are watched here, and it would end the run.
    libfuzzer = [
        f"-max_len={MOST}",
        "-timeout=1000000",
        "-rss_limit_mb=0",
        "-print_final_stats=0",
        "-verbosity=0",
    ]
    libfuzzer += [f"-seed={seed}"] if seed else []
    atheris.Setup(
        [sys.argv[0], *libfuzzer, f"-artifact_prefix={folder}/", str(folder)], one, custom_mutator=custom
    )
    atheris.Fuzz()


def main(argv=None):
    parser = options(__doc__.split("\n")[0])
    parser.add_argument("--unguided", action="store_true", help="without atheris, even where it is installed")
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    run = Run("config", args.seconds, check, keep=not args.no_keep, alone=not GUIDED or args.unguided)
    print(f"seed {seed}, {'guided by coverage' if GUIDED and not args.unguided else 'unguided'}", flush=True)
    if GUIDED and not args.unguided:
        guided(run, seed)
    unguided(run, random.Random(seed))
    return run.report()


if __name__ == "__main__":
    raise SystemExit(main())
