"""Build the wheel and the source archive, and try them in clean environments outside the checkout.

    python tools/try_release.py [--out dist] [--python python3.12 python3.13 ...] [--licenses docs/licenses.md]

For each Python: install the wheel, `pip check`, and track the demo clip. Once more from the
source archive with the first Python. `--licenses` writes the licenses of all packages of the first installation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 60 * 2**20  # bytes of the wheel
NEEDED = ("demo", ".safetensors", "py.typed", "recipes/finetune.toml")  # parts of names that must be in the wheel
NOT_LISTED = ("mixformer", "pip", "setuptools")

_LICENSES = """
import json
from importlib.metadata import distributions

def license_of(facts):
    named = [c.split(" :: ")[-1] for c in facts.get_all("Classifier") or [] if c.startswith("License ::")]
    text = facts.get("License-Expression") or ", ".join(named) or (facts.get("License") or "").splitlines()[:1]
    return text if isinstance(text, str) else "".join(text)

found = {d.metadata["Name"]: [d.version, license_of(d.metadata) or "?"] for d in distributions()}
print(json.dumps({name: found[name] for name in sorted(found, key=str.lower)}))
"""


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    wheel, archive = build(options.out)
    size = wheel.stat().st_size
    say(f"{wheel.name}: {size / 2**20:.1f} MiB; {archive.name}: {archive.stat().st_size / 2**20:.1f} MiB")
    if size > LARGEST:
        sys.exit(f"the wheel is larger than {LARGEST >> 20} MiB")
    require_parts(wheel)
    tries = [(python, wheel) for python in options.python] + [(options.python[0], archive)]
    for number, (python, package) in enumerate(tries):
        with tempfile.TemporaryDirectory() as folder:
            mine = install(python, package, Path(folder))
            demo(mine, Path(folder))
            if number == 0 and options.licenses:
                packages = license_table(json.loads(run(mine, "-c", _LICENSES)))
                options.licenses.write_text(with_table(options.licenses.read_text("utf-8"), packages), "utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--licenses", type=Path)
    return parser.parse_args()


def build(out: Path) -> tuple[Path, Path]:
    """The wheel and the source archive, newly built in an environment of their own."""
    with tempfile.TemporaryDirectory() as folder:
        mine = environment(sys.executable, Path(folder))
        run(mine, "-m", "pip", "install", "-q", "build")
        run(mine, "-m", "build", "--outdir", str(out.resolve()), str(ROOT))
    newest = {ending: max(out.glob(f"*{ending}"), key=lambda path: path.stat().st_mtime) for ending in (".whl", ".gz")}
    return newest[".whl"], newest[".gz"]


def require_parts(wheel: Path) -> None:
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    for part in NEEDED:
        if not any(part in name for name in names):
            sys.exit(f"{wheel.name} holds no {part}")


def environment(python: str, folder: Path) -> Path:
    subprocess.run([python, "-m", "venv", str(folder / "env")], check=True)
    return folder / "env" / "bin" / "python"


def install(python: str, package: Path, folder: Path) -> Path:
    mine = environment(python, folder)
    run(mine, "-m", "pip", "install", "-q", str(package.resolve()))
    say(f"{run(mine, '--version').strip()}, {package.name}: {run(mine, '-m', 'pip', 'check').strip()}")
    return mine


def demo(mine: Path, folder: Path) -> None:
    """Track the demo clip as a user would, away from the checkout."""
    command = [str(mine.with_name("mixformer")), "demo", "--quiet"]
    subprocess.run(command, cwd=folder, check=True)
    made = sorted(path.name for path in folder.iterdir() if path.is_file())
    if not any(name.endswith(".mp4") for name in made):
        sys.exit(f"the demo wrote no video: {made}")
    say(f"  the demo wrote {', '.join(made)}")


def license_table(found: dict[str, list[str]]) -> str:
    rows = [
        f"| {name} | {version} | {text} |"
        for name, (version, text) in found.items()
        if name not in ("mixformer", "pip", "setuptools")
    ]
    return "\n".join(["| package | version | license |", "|---|---|---|", *rows])


def with_table(page: str, table: str) -> str:
    """Replace the table of packages in the page; the tables of weights and data are made by hand."""
    before, _, rest = page.partition("<!-- packages -->")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        sys.exit("the page of licenses has no place for the packages, between <!-- packages --> and <!-- end -->")
    return f"{before}<!-- packages -->\n{table}\n{end}{after}"


def run(python: Path, *words: str) -> str:
    return subprocess.run([str(python), *words], check=True, capture_output=True, text=True).stdout


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
