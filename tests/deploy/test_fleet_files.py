"""The files of a fleet: they parse, name only what exists, and give the bridge flags that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cloud_bridge import choose
from cloud_bridge.cli import _parser

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())  # type: ignore[no-any-return]


def rendered(template: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What helm would make of the few forms that the chart uses: values, quote, toJson and the release's name."""

    def fill(match: re.Match[str]) -> str:
        name, *filters = [part.strip() for part in match[1].split("|")]
        if name == ".Release.Name":
            return "trial"
        value = values[name.removeprefix(".Values.")]
        if filters == ["toJson"]:
            return str(yaml.safe_dump(value, default_flow_style=True).strip())
        return f'"{value}"' if filters == ["quote"] else str(value)

    text = re.sub(r"\{\{\s*(.+?)\s*\}\}", fill, template)
    assert "{{" not in text
    yield from yaml.safe_load_all(text)


def takes(words: list[str]) -> None:
    assert words[:2] == ["mien", "bridge"]
    _parser().parse_args(words[2:])  # ends the test where a flag is unknown


def test_every_bridge_of_the_composition_gets_flags_that_it_knows() -> None:
    """And every volume, secret and neighbour that a service names is there."""
    found = compose()
    for name, service in found["services"].items():
        if name.startswith("bridge"):
            takes(service["command"].replace("${MIEN_NAME:-bridge.example}", "x").split())
        for secret in service.get("secrets", []):
            assert secret in found["secrets"], (name, secret)
        for neighbour in service.get("depends_on", []):
            assert neighbour in found["services"], (name, neighbour)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(".") or source in found["volumes"], (name, source)


def test_every_image_is_named_with_its_version() -> None:
    """No image is whatever is newest, not even of its series; and the bridge's has a lock file for each board."""
    built = (DEPLOY / "compose" / "Dockerfile").read_text()
    images = [str(service["image"]) for service in compose()["services"].values()] + re.findall("(?m)^FROM (.+)", built)
    exact = r"[\w/-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?"
    assert all(re.fullmatch(rf"{exact}|\$\{{MIEN_IMAGE:-{exact}\}}", image) for image in images), images
    (lock,) = re.findall(r'-c "([^"]+)"', built)
    for board in ("x86_64", "aarch64"):
        assert (DEPLOY.parent / lock.replace("$(uname -m)", board)).is_file()


def test_the_image_holds_the_voice_that_its_bridges_speak_with() -> None:
    """No bridge names a voice, so each takes the usual one: without its engine and its file none would begin."""
    assert not any("tts" in str(service).lower() for service in compose()["services"].values())
    built = (DEPLOY / "compose" / "Dockerfile").read_text()
    (extras,) = re.findall(r"'\.\[([\w,-]+)\]'", built)
    assert {"cloud", "fleet", "local-tts"} <= set(extras.split(","))
    folder, pulled = built.index("MIEN_MODELS="), re.search(r"(?m)^RUN mien models pull (.+)$", built)
    assert pulled is not None
    assert folder < pulled.start() < built.index("\nUSER ")
    assert set(pulled[1].split()) == {choose.VOICE, choose.VOICE_CONFIG}


def test_each_bridge_is_a_user_of_its_own_at_the_broker() -> None:
    """The broker knows each, and the access list gives a device what is its own alone."""
    bridges = [one for name, one in compose()["services"].items() if name.startswith("bridge")]
    users = {urlsplit(one["environment"]["MIEN_BROKER"]).username for one in bridges}
    assert len(users) == len(bridges)
    rules = (DEPLOY / "compose" / "acl").read_text().splitlines()
    assert {rule.split()[1] for rule in rules if rule.startswith("user")} == users
    assert "acl_file /mosquitto/acl" in (DEPLOY / "compose" / "mosquitto.conf").read_text()
    assert all("%u" in rule for rule in rules if rule.startswith("pattern"))


def test_the_chart_renders_to_objects_that_fit_each_other() -> None:
    """Labels, ports, mounts; and the bridge's flags."""
    values = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
    template = (DEPLOY / "helm" / "templates" / "bridge.yaml").read_text()
    deployment, service, budget = rendered(template, values)
    assert [one["kind"] for one in (deployment, service, budget)] == ["Deployment", "Service", "PodDisruptionBudget"]
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"]
    (container,) = pod["spec"]["containers"]
    takes(container["command"])
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    for one in (container, *pod["spec"]["initContainers"]):
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
    assert deployment["spec"]["replicas"] >= 2
