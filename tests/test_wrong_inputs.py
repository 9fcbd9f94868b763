"""What people get wrong at the command line, and the sentence that each of them reads.

`python -m tests.test_wrong_inputs` prints the table.
"""

import json
import sys
import wave
from pathlib import Path

import pytest
import structlog

from gateway.cli import main as cli

FILE = "agents: agents\nroutes:\n  - agent: bob\n"
PHONE = ("phone", "sip:a@127.0.0.1:9")
CHECK = ("check", "-c", "gateway.yaml")


def case(says, *arguments, more="", agent="greeting: Hello.\n", text=None):
    """`more` is added to the gateway's file, `text` stands in its place; `says` is among what is printed."""
    return says, arguments or CHECK, FILE + more if text is None else text, agent


CASES = [
    # telephones: files, hosts, keys
    case("nope.wav: cannot be read: no such file or directory", *PHONE, "--wav", "nope.wav"),
    case("agents: cannot be read: is a directory", *PHONE, "--wav", "agents"),
    case("gateway.yaml: is not a WAV: file does not start with RIFF id", *PHONE, "--wav", "gateway.yaml"),
    case("empty.wav: is not a WAV: it ends too early", *PHONE, "--wav", "empty.wav"),
    case("stereo.wav: is not a WAV of 16 bits and one channel, but of 16 and 2", *PHONE, "--wav", "stereo.wav"),
    case("sip:a@no.such.host.invalid: there is no host no.such.host.invalid: name or service not known",
         "phone", "sip:a@no.such.host.invalid"),
    case("reception: is not a SIP address: it is like sip:reception@127.0.0.1:5060", "phone", "reception"),
    case("http://127.0.0.1: is not a SIP address", "phone", "http://127.0.0.1"),
    case("sip:: is not a SIP address", "phone", "sip:"),
    case("sip:a@127.0.0.1:99999: is not a SIP address", "phone", "sip:a@127.0.0.1:99999"),
    case("sips:a@127.0.0.1: wants tls: call it with --tls", "phone", "sips:a@127.0.0.1"),
    case("wants tcp: call it with --tcp", "phone", "sip:a@127.0.0.1;transport=tcp"),
    case("--dtmf: '12x' has other keys than 0-9 * # A-D", *PHONE, "--dtmf", "12x"),
    case("heard.mp3: has to end with .wav", *PHONE, "--record", "heard.mp3"),
    case("nowhere/heard.wav: cannot be recorded to: nowhere is not a folder that can be written",
         *PHONE, "--record", "nowhere/heard.wav"),
    case("--seconds: has to be more than 0", *PHONE, "--seconds", "-1"),
    case("--after: wants --say or --wav", *PHONE, "--after", "2"),
    case("--caller: 'a b' is not the user part of a SIP address", *PHONE, "--caller", "a b"),
    case("--say: is empty", *PHONE, "--say", " "),
    case("--talk: ", *PHONE, "--talk"),
    # other commands: flags, addresses
    case("no gateway answers there (connection refused): start one with gateway serve, or name it with --url",
         "calls", "--url", "http://127.0.0.1:9"),
    case("no gateway answers there (name or service not known)", "nodes", "--url", "http://no.such.host.invalid"),
    case("no gateway answers there (unknown url type: nonsense)", "bans", "--url", "nonsense://x"),
    case("--var: 'x' is not NAME=VALUE", "dial", "+1555", "--agent", "a", "--var", "x"),
    case("--header: 'x' is not NAME:VALUE", "dial", "+1555", "--agent", "a", "--header", "x"),
    case("nothing.yaml: cannot be read: no such file or directory", "serve", "-c", "nothing.yaml"),
    case("agents: cannot be read: is a directory", "check", "-c", "agents"),
    case("the settings: sip.port: has to be at most 65535, not 70000", "demo", "--sip-port", "70000"),
    case("gateway.yaml: redis.url: an embedded Redis belongs to its gateway", "keys", "add", "x", "-c", "gateway.yaml"),
    case("nowhere: there is no agent in it", "local", "--agents", "nowhere"),
    # the gateway's file
    case("gateway.yaml:3: not valid YAML: a tab; use spaces", text="agents: agents\nsip:\n\tport: 1\n"),
    case("gateway.yaml:2: not valid YAML: a colon where none can be", text="agents: agents\nroutes: called: x\n"),
    case("gateway.yaml:1: it has to be a mapping of keys to values", text="- agents\n"),
    case("gateway.yaml:4: not valid YAML: the key 'agents' stands there twice", more="agents: other\n"),
    case("cannot be read: byte 5 is not UTF-8", text=b"sip:\xff\xfe"),
    case("gateway.yaml:4: meda: there is no such key; did you mean media?", more="meda: {reorder_ms: 40}\n"),
    case("gateway.yaml:4: sip.prot: there is no such key; did you mean port?", more="sip: {prot: 5060}\n"),
    case("gateway.yaml:5: trunks.0.pears: there is no such key; did you mean peers?",
         more="trunks:\n  - {name: a, pears: [10.0.0.1]}\n"),
    case("drain_seconds: has to be a number, not '60s'; write it without its unit: 60", more="drain_seconds: 60s\n"),
    case("sip.port: has to be a whole number, not 'five'", more="sip: {port: five}\n"),
    case("media.srtp: has to be one of off, optional, required, not 'requird'; did you mean required?",
         more="media: {srtp: requird}\n"),
    case("sip: has to be a mapping of keys to values, not 5060", more="sip: 5060\n"),
    case("redis.url: has to begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, not http://",
         more="redis: {url: 'http://127.0.0.1'}\n"),
    case("redis.url: its port is not a number", more="redis: {url: 'redis://127.0.0.1:port'}\n"),
    case("redis.url: the database is a number, not 'zero'", more="redis: {url: 'redis://127.0.0.1/zero'}\n"),
    case("gateway.yaml:4: recordings: /proc/tapes cannot be written", more="recordings: /proc/tapes\n"),
    case("gateway.yaml is a file, where a folder is wanted", more="recordings: gateway.yaml/tapes\n"),
    case("providers.acme.url: has to be a ws:// or wss:// address, not 'https://h/'",
         more="providers: {acme: {url: 'https://h/'}}\n"),
    case("gateway.yaml:4: providers.acme.key_env: the environment has no NO_SUCH_KEY, or it is empty",
         more="providers: {acme: {url: 'wss://h/', key_env: NO_SUCH_KEY}}\n"),
    case("providers.acme.dialect: has to be one of openai, azure, inworld, xai, not 'opnai'; did you mean openai?",
         more="providers: {acme: {url: 'wss://h/', dialect: opnai}}\n"),
    case("trunks.0.peers.0: '10.0.0.300' is no address, network or name of a host, such as 192.0.2.7, 192.0.2.0/24",
         more="trunks: [{name: a, peers: [10.0.0.300]}]\n"),
    case("gateway.yaml:5: trunks.0.profile: there is no profile 'twillio'; these are: 3cx, ",
         more="trunks:\n  - {name: a, profile: twillio, server: x}\n"),
    case("gateway.yaml:6: trunks.0.numbers.called: '+49* ->' leaves nothing of the number: a rule is like '+49* -> 0*'",
         more="trunks:\n  - {name: a, server: x,\n     numbers: {called: ['+49* ->']}}\n"),
    case("trunks.0.numbers.caller: the rule '+49* -> 0*' is never reached: '* -> *' before it takes all of that",
         more="trunks: [{name: a, server: x, numbers: {caller: ['* -> *', '+49* -> 0*']}}]\n"),
    case("trunks.0.numbers.caled: there is no such key; did you mean called?",
         more="trunks: [{name: a, server: x, numbers: {caled: ['* -> *']}}]\n"),
    case("trunks.0.match.from_hots: there is no such key; did you mean from_host?",
         more="trunks: [{name: a, server: x, match: {from_hots: x}}]\n"),
    case("trunks.0.identity.0: has to be one of from, display_name, p_asserted_identity, p_preferred_identity,",
         more="trunks: [{name: a, server: x, identity: [pai]}]\n"),
    case("refer_to holds {number}, and may hold {domain}",
         more="trunks: [{name: a, server: x, refer_to: 'sip:x@y'}]\n"),
    case("refer_headers: there is no {name}; there are call_id, caller, called, summary",
         more="trunks: [{name: a, server: x, refer_headers: {User-to-User: '{name}'}}]\n"),
    case("trunks.0.contact_host: 'a b' is no name or address of a host",
         more="trunks: [{name: a, server: x, contact_host: a b}]\n"),
    case("trunks.0.from_user: 'me@x' is no user part of a SIP URI",
         more="trunks: [{name: a, server: x, from_user: me@x}]\n"),
    case("options_ping_seconds needs a server",
         more="trunks: [{name: a, peers: [10.0.0.1], options_ping_seconds: 30}]\n"),
    case("trunks.0.tls: client_certificate needs a ca that vouches for it",
         more="trunks: [{name: a, server: x, tls: {client_certificate: required}}]\n"),
    case("gateway.yaml:4: trunks.0.tls: nope.pem cannot be read: no such file",
         more="trunks: [{name: a, server: x, tls: {ca: nope.pem}}]\n"),
    case("trunks.0.tls: OpenSSL knows none of these: ROT13",
         more="trunks: [{name: a, server: x, tls: {ciphers: ROT13}}]\n"),
    case("gateway.yaml:5: dial_plan.0.trunks: no trunk is called 'tow'; these are: two; did you mean two?",
         more="trunks: [{name: two, server: x}]\ndial_plan: [{called: '*', trunks: [tow]}]\n"),
    case("dial_plan.0.trunks: the trunk in has no server: nobody can be called by it",
         more="trunks: [{name: in, peers: [10.0.0.1]}]\ndial_plan: [{called: '*', trunks: [in]}]\n"),
    case("dial_plan.1.called: '+49*' is never reached: '*' before it takes the same numbers",
         more="trunks: [{name: a, server: x}]\ndial_plan:\n- {called: '*', trunks: [a]}\n"
              "- {called: '+49*', trunks: [a]}\n"),
    case("trunks.0.bridge_trunk: no trunk is called 'b'; these are: a",
         more="trunks: [{name: a, server: x, bridge_trunk: b}]\n"),
    case("the trunks a and b may both call from 10.0.0.1/32: an INVITE is a's, unless match",
         more="trunks: [{name: a, peers: [10.0.0.0/8]}, {name: b, peers: [10.0.0.1]}]\n"),
    case("trunks.0.server: not a URI: 'sip:a b'; it is like sip:trunk.example.com or",
         more="trunks: [{name: a, server: 'sip:a b'}]\n"),
    case("routes.0.agent: there is no agent 'bbo'; these are: bob; did you mean bob?",
         text="agents: agents\nroutes:\n  - agent: bbo\n"),
    case("routes.0.trunk: no trunk is called 'acme'; these are: none",
         text="agents: agents\nroutes:\n  - {agent: bob, trunk: acme}\n"),
    case("routes: is empty: no call would be answered", text="agents: agents\n"),
    case("agents: is missing", text="routes: [{agent: bob}]\n"),
    case("media.hold_audio: nope.wav cannot be read: no such file", more="media: {hold_audio: nope.wav}\n"),
    case("gateway.yaml:4: sip.tls: nope.pem cannot be read: no such file or directory",
         more="sip: {tls: {certificate: nope.pem, key: nope.pem}}\n"),
    case("http.tls: there is no file nope.pem", more="http: {tls: {certificate: nope.pem, key: nope.pem}}\n"),
    case("there are no trunks: only this machine and private networks may call", more="sip: {host: 0.0.0.0}\n"),
    case("sip.open: EVERYBODY who reaches SIP here may call", more="sip: {host: 0.0.0.0, open: true}\n"),
    case("gateway.yaml:4: webhooks.name: two have the same name: give each its own",
         more="webhooks: [{url: 'http://h/'}, {url: 'http://i/'}]\n"),
    # agents' files
    case("bob.yaml:1: greting: there is no such key; did you mean greeting?", agent="greting: Hello.\n"),
    case("bob.yaml:1: provider: there is no provider 'acme'; these are: local", agent="provider: acme\n"),
    case("bob.yaml:1: model: is missing: provider 'openai' wants to know which, such as gpt-realtime",
         more="providers: {openai: {url: 'wss://api.openai.com/v1/realtime'}}\n", agent="provider: openai\n"),
    case("tools: there is no tool 'fly'; these are: collect_digits", agent="tools: [fly]\n"),
    case("transfer_targets: transfer_call needs at least one target", agent="tools: [transfer_call]\n"),
    case("max_calls: has to be a whole number, not 'many'", agent="max_calls: many\n"),
]  # fmt: skip
UGLY = ("Traceback", "Errno", "[type=", "lax-or-strict", "literal[", "Input should", "pydantic", "<class")


@pytest.fixture(autouse=True)
def _log_as_before():
    """A command sends the log to the standard error that it has, which ends with the test."""
    yield
    structlog.reset_defaults()


def run(arguments, text, agent, folder, monkeypatch, capsys):
    """What is printed, by a program in a folder of its own with these files; its exit code."""
    monkeypatch.chdir(folder)
    Path("agents").mkdir()
    Path("agents/bob.yaml").write_text(agent)
    Path("gateway.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    Path("empty.wav").write_bytes(b"RIFF")
    with wave.open("stereo.wav", "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(800))
    monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
    for console in (cli.out, cli.err):
        monkeypatch.setattr(console, "_file", None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return capsys.readouterr(), ended.value.code


@pytest.mark.parametrize(("says", "arguments", "text", "agent"), CASES, ids=[one[0][:60] for one in CASES])
def test_what_is_wrong_is_said_in_a_sentence(says, arguments, text, agent, tmp_path, monkeypatch, capsys):
    printed, code = run(arguments, text, agent, tmp_path, monkeypatch, capsys)
    assert says in printed.err, printed.err
    assert not [word for word in UGLY if word in printed.err + printed.out], printed.err
    warned = arguments == CHECK and ("may call" in says or "may both call" in says)
    assert code == (0 if warned else 1 if "no gateway answers" in says or "cannot listen" in says else 2)
    assert len(printed.err.strip().splitlines()) == 1  # one sentence for one mistake
    assert warned or not printed.out.strip()


def test_all_that_is_wrong_is_said_at_once(tmp_path, monkeypatch, capsys):
    more = (
        "providers: {acme: {url: 'wss://h/', key_env: NO_SUCH_KEY}}\nredis: {url: nothing}\nmedia: {srtp: x}\n"
        "sip: {prot: 1}\n"
    )
    printed, _ = run(CHECK, FILE + more, "greeting: Hello.\n", tmp_path, monkeypatch, capsys)
    lines = printed.err.strip().splitlines()  # first the form of the file
    assert [line.split(":")[2] for line in lines] == ["5", "6", "7"]


def test_what_it_names_is_said_at_once_too(tmp_path, monkeypatch, capsys):
    more = "recordings: /proc/x\nproviders: {acme: {url: 'wss://h/', key_env: NO_SUCH_KEY}}\n"
    text = FILE.replace("bob", "eve") + more
    printed, _ = run(CHECK, text, "tools: [fly, transfer_call]\n", tmp_path, monkeypatch, capsys)
    lines = sorted(printed.err.strip().splitlines())
    assert len(lines) == 4
    for expected, line in zip(
        ("there is no tool 'fly'", "transfer_call needs", "recordings: /proc/x", "key_env"), lines, strict=True
    ):
        assert expected in line


@pytest.mark.parametrize("text", [FILE, FILE + "meda: {}\n"])
def test_a_program_reads_json_whatever_the_file_is(text, tmp_path, monkeypatch, capsys):
    printed, code = run((*CHECK, "--json"), text, "greeting: Hello.\n", tmp_path, monkeypatch, capsys)
    told = json.loads(printed.out)
    assert (told["good"], code, printed.err) == (text == FILE, 0 if text == FILE else 2, "")
    assert text == FILE or "did you mean media?" in told["errors"][0]


def main():
    """The table, for a person."""
    for says, arguments, text, _ in CASES:
        what = " ".join(arguments) if arguments != CHECK else repr(text)
        print(f"| `{what}` | {says} |")


if __name__ == "__main__":
    main()
