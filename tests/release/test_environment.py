"""`environment.yml` and `constraints.txt` name the same, tested versions of what the package needs."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Not in the environment of the tests: large, or for one purpose alone.
UNLOCKED = {"mlflow-skinny", "ray", "supervision", "tensorboard", "wandb"}


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def locked(file):
    lines = [line.partition("==") for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert all(version for _, _, version in lines), f"{file} has a line without a version"
    return {name.lower().replace("_", "-"): version for name, _, version in lines}


def test_every_requirement_has_a_tested_version():
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    names = {name_of(each) for each in wanted} - {"mixformer"} - UNLOCKED
    assert names <= locked(ROOT / "constraints.txt").keys()


def test_conda_installs_the_tested_versions():
    made = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, more = made["dependencies"]
    least = re.search(r">=(3\.\d+)", PROJECT["requires-python"])[1]
    assert python == f"python={least}"  # the Python of constraints.txt and of all tests
    assert pip == "pip"
    # conda gives these lines to pip as a file beside environment.yml, to which its paths are relative.
    option, package = more["pip"]
    assert (ROOT / option.removeprefix("--constraint ")).samefile(ROOT / "constraints.txt")
    assert package == "."
