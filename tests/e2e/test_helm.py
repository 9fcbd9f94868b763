"""The chart: what it makes is valid for Kubernetes and good for the gateway; values that cannot be are refused."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from gateway import config
from tests.e2e.conftest import GATEWAY, ROOT

CHART = ROOT / "deploy" / "helm" / "voice-agent-gateway"
BUILT = f"{ROOT / '.venv' / 'go'}:{os.environ['PATH']}"
HELM, KUBECONFORM = (shutil.which(name, path=BUILT) for name in ("helm", "kubeconform"))
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not HELM or not KUBECONFORM, reason="helm or kubeconform is missing: deploy/test-helm.sh"),
]
REDIS = "redis.url=redis://redis:6379/0"
EVERYTHING = (
    "persistence.enabled=true",
    "networkPolicy.enabled=true",
    "networkPolicy.sipFrom={203.0.113.0/24}",
    "secrets[0].name=keys",
    "sip.publicHost=auto",
    "sip.mediaPublicHost=203.0.113.10",
    "imagePullSecrets[0].name=registry",
    "podLabels.team=voice",
    "podAnnotations.note=x",
    "priorityClassName=calls",
    "extraVolumes[0].name=tls",
    "extraVolumes[0].secret.secretName=tls",
    "extraVolumeMounts[0].name=tls",
    "extraVolumeMounts[0].mountPath=/etc/tls",
)


def helm(*words, values=(), text=None):
    given = [word for one in values for word in ("--set", one)]
    return subprocess.run([HELM, *words, *given], input=text, capture_output=True, text=True, timeout=60, check=False)


def rendered(*values):
    done = helm("template", "desk", str(CHART), "--kube-version", "1.31.0", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    """Kubernetes' own, each with what it refers to in one file, as kubeconform reads them."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate has the schemas")
    known = Path(validate.__file__).parent / "kubernetes-json-schema"
    newest = max(
        known.glob("*-local-strict"), key=lambda path: [int(one) for one in path.name[1:].partition("-")[0].split(".")]
    )
    folder = tmp_path_factory.mktemp("schemas")

    def read(name):
        return json.loads((newest / f"{name}.json").read_text().replace("/api/_definitions.json#", "#"))

    definitions = read("_definitions")["$defs"]
    kinds = ("serviceaccount", "configmap", "service", "statefulset-apps", "daemonset-apps")
    for name in (*kinds, "poddisruptionbudget-policy", "networkpolicy-networking"):
        schema = read(f"{name}-v1") | {"$defs": definitions}
        schema.pop("$id", None)
        (folder / f"{name}-v1.json").write_text(json.dumps(schema))
    return folder


def test_it_has_no_fault_that_helm_knows():
    done = helm("lint", "--strict", str(CHART), values=(REDIS,))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ((), 6),
        (EVERYTHING, 7),
        (("kind=DaemonSet", "nodeSelector.sip=yes"), 6),
        (("hostNetwork=false", "podDisruptionBudget.enabled=false", "serviceAccount.create=false"), 4),
    ],
)
def test_what_it_makes_is_valid_for_kubernetes(values, kinds, schemas):
    command = [KUBECONFORM, "-strict", "-output", "json", "-summary", "-schema-location"]
    where = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    text = rendered(REDIS, *values)
    done = subprocess.run([*command, where], input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["summary"] == {"valid": kinds, "invalid": 0, "errors": 0, "skipped": 0}
    broken = text.replace("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true")
    done = subprocess.run([*command, where], input=broken, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1  # it does look


def test_the_gateway_takes_its_file_and_its_environment(tmp_path, monkeypatch):
    found = [one for one in yaml.safe_load_all(rendered(REDIS, *EVERYTHING)) if one]
    (files,) = [one["data"] for one in found if one["kind"] == "ConfigMap"]
    (work,) = [one for one in found if one["kind"] == "StatefulSet"]
    pod = work["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    items = next(one for one in pod["volumes"] if one["name"] == "config")["configMap"]["items"]
    for item in items:
        path = tmp_path / item["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[item["key"]])
    for one in container["env"]:
        monkeypatch.setenv(one["name"], one.get("value", "10.0.0.1").replace("$(POD_IP)", "10.0.0.1"))
    settings = config.from_file(tmp_path / "gateway.yaml")
    assert (settings.sip.port, settings.sip.public_host, settings.sip.media_public_host) == (
        5060,
        "auto",
        "203.0.113.10",
    )
    assert (settings.http.host, settings.http.url) == ("0.0.0.0", "http://10.0.0.1:8080")
    assert settings.store.url == "redis://redis:6379/0"
    assert list(settings.agents) == ["reception"]
    assert pod["terminationGracePeriodSeconds"] > settings.drain_seconds == 3600
    drain = container["lifecycle"]["preStop"]["exec"]["command"]
    asked = subprocess.run([GATEWAY, *drain[1:-1], "http://127.0.0.1:9"], capture_output=True, text=True, check=False)
    assert (asked.returncode, "no gateway answers there" in asked.stderr) == (1, True)  # the options are known


def test_metrics_are_found_by_the_operator():
    text = rendered(REDIS, "serviceMonitor.enabled=true", "serviceMonitor.keySecret.name=metrics")
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}
    monitor = found["ServiceMonitor", "desk-voice-agent-gateway"]["spec"]
    labels = monitor["selector"]["matchLabels"].items()
    services = {name: one for (kind, name), one in found.items() if kind == "Service"}
    fitting = [name for name, one in services.items() if labels <= one["metadata"]["labels"].items()]
    assert fitting == ["desk-voice-agent-gateway"]
    (endpoint,) = monitor["endpoints"]
    ports = [one["name"] for one in services[fitting[0]]["spec"]["ports"]]
    assert endpoint["port"] in ports
    assert endpoint["authorization"]["credentials"] == {"name": "metrics", "key": "key"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((), "redis"),
        (("redis.url=redis://:hush@redis:6379/0",), "redis/url"),
        ((REDIS, "kind=Deployment"), "kind"),
        ((REDIS, "nodeSelector.sip=true"), "nodeSelector/sip"),
        ((REDIS, "sip.port=506"), "sip/port"),
        ((REDIS, "hostnetwork=true"), "hostnetwork"),
        ((REDIS, "rtp.first=30000"), "rtp.last is below rtp.first"),
        ((REDIS, "config.agents=here"), "config/agents"),
        ((REDIS, "config.redis.url=redis://x"), "config/redis"),
    ],
)
def test_values_that_cannot_be_are_refused(values, says):
    done = helm("template", "desk", str(CHART), "--kube-version", "1.31.0", values=values)
    assert done.returncode == 1
    assert says in done.stderr
