"""Writes NAME_in.xml and NAME_out.xml, for each carrier and PBX: `python make.py`.

What each side says, header by header, is from its documentation, or from traces and configurations that were published;
numbers, names and addresses are replaced. `in` is a call of theirs to us: it is answered, and ends by our BYE or after
our REFER. `out` is a call of ours to them: they challenge it where they do, look at what they look at, ring, answer, and
are hung up.

Keywords that are no others' of SIPp: [proto] and [crypto] are RTP/AVP and nothing, or RTP/SAVP and a key, by `-key`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

CRYPTO = "AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'


@dataclass
class Side:
    """One carrier or PBX. Texts hold SIPp's keywords; lists are regular expressions that a message has to fit.

    `invite` are the headers of its INVITE, in its order, with [from] and [to] for what a dialog keeps. `answer` are
    headers of its responses. `challenge` is status and header with which it asks for a password, or empty.
    """

    title: str
    invite: str
    from_: str
    to: str
    wants: list[str]
    sdp: str = ""
    uri: str = "sip:[service]@[remote_ip]:[remote_port]"
    ok: list[str] = field(default_factory=list)  # of our 200
    bye: list[str] = field(default_factory=list)  # of our BYE
    refer: str = ""  # of our Refer-To; empty: it takes none
    answer: str = ""
    challenge: str = ""
    user: str = ""  # of the digest
    early: str = "180 Ringing"
    delayed: bool = False


def sdp(*lines: str, formats: str = "0 8 101", proto: str = "[proto]") -> str:
    """A description with the session lines that the side writes."""
    session = [line for line in lines if line[:2] in ("o=", "s=")] or ["o=- 1 1 IN IP4 [media_ip]"]
    if not any(line.startswith("s=") for line in session):
        session.append("s=-")
    media = [line for line in lines if line[:2] not in ("o=", "s=")]
    head = ["v=0", *session, "c=IN IP4 [media_ip]", "t=0 0"]
    return "\n".join([*head, f"m=audio [rtpstream_audio_port] {proto} {formats}", *media, "[crypto]"])


TELEPHONE = ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"]
LAWS = ["a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"]
HERE = "[local_ip]:[local_port]"
VIA = f"Via: SIP/2.0/[transport] {HERE};branch=[branch]"

TWILIO_INVITE = f"""Record-Route: <sip:{HERE};transport=[transport];r2=on;lr>
Record-Route: <sip:{HERE};transport=[transport];r2=on;lr>
From: [from]
To: [to]
CSeq: 1 INVITE
Max-Forwards: 62
P-Asserted-Identity: <sip:+15557654321@206.147.0.1:5060>
Diversion: <sip:+15550100@twilio.com>;reason=unconditional
Call-ID: [call_id]
{VIA}
Via: SIP/2.0/UDP 172.25.10.62:5060;rport=5060;branch=z9hG4bKac5d
Contact: <sip:+15557654321@172.25.10.62:5060;transport=udp>
Allow: ACK,BYE,CANCEL,INVITE,OPTIONS,REFER,NOTIFY
X-Twilio-AccountSid: AC00000000000000000000000000000000
User-Agent: Twilio Gateway
X-Twilio-CallSid: CA00000000000000000000000000000000"""
TWILIO_SDP = sdp(
    "o=root 1 1 IN IP4 [media_ip]",
    "s=Twilio Media Gateway",
    *LAWS,
    *TELEPHONE,
    "a=ptime:20",
    "a=maxptime:20",
    "a=sendrecv",
)

ASTERISK_HEADERS = """Allow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER
Supported: 100rel, timer, replaces, norefersub, histinfo"""
ASTERISK_SDP = sdp("s=Asterisk", *LAWS, *TELEPHONE, "a=ptime:20", "a=maxptime:150", "a=sendrecv")
FREESWITCH_SDP = sdp(
    "o=FreeSWITCH 1 2 IN IP4 [media_ip]", "s=FreeSWITCH", *LAWS, *TELEPHONE, "a=silenceSupp:off - - - -", "a=ptime:20"
)

SIDES = {
    "twilio": Side(
        "Twilio Elastic SIP Trunking",
        TWILIO_INVITE, "<sip:+15557654321@acme.pstn.twilio.com:5060>", "<sip:[service]@[remote_ip]:5060>",
        ["INVITE sip:\\+15557654321@acme\\.pstn\\.twilio\\.com", "From: <sip:\\+15550100@acme\\.pstn\\.twilio\\.com>"],
        TWILIO_SDP, uri="sip:[service]@[remote_ip]:[remote_port];transport=[transport]",
        bye=["BYE sip:\\+15557654321@172\\.25\\.10\\.62:5060", "Route: <sip:127"],
        refer="<sip:\\+15551112222@acme\\.pstn\\.twilio\\.com>",
        answer="Server: Twilio Gateway",
        challenge='407 Proxy Authentication required|Proxy-Authenticate: Digest realm="sip.twilio.com",qop="auth",'
                  'nonce="8c1ff2",opaque="d3a1"', user="gateway",
    ),
    "twilio-programmable": Side(
        "Twilio Programmable Voice",
        TWILIO_INVITE.replace("Diversion: <sip:+15550100@twilio.com>;reason=unconditional\n", "X-Order: 7\n"),
        "<sip:+15557654321@acme.sip.twilio.com>", "<sip:[service]@[remote_ip]:5060>",
        ["INVITE sip:\\+15557654321@acme\\.sip\\.twilio\\.com"],
        TWILIO_SDP, refer="<sip:\\+15551112222@acme\\.sip\\.twilio\\.com>",
        challenge='407 Proxy Authentication required|Proxy-Authenticate: Digest realm="sip.twilio.com",qop="auth",nonce="77aa"',
        user="gateway",
    ),
    "telnyx": Side(
        "Telnyx",
        f"""Record-Route:<sip:{HERE};transport=[transport];lr>
Record-Route:<sip:10.255.0.1;lr>
Record-Route:<sip:10.13.37.2;lr>
v:SIP/2.0/[transport] {HERE};branch=[branch]
v:SIP/2.0/UDP 10.13.37.3:6000;branch=z9hG4bKtelnyx
Max-Forwards:67
f:[from]
t:[to]
i:[call_id]
CSeq:1 INVITE
m:<sip:mod_sofia@10.239.11.5:6000>
Allow:INVITE,ACK,BYE,CANCEL,OPTIONS,MESSAGE,INFO,UPDATE,REGISTER,REFER,NOTIFY
k:timer,path,replaces""",
        '"+15557654321"<sip:+15557654321@sip.telnyx.com>', "<sip:15550100@10.13.37.2:5060>",
        ["INVITE sip:\\+15557654321@sip\\.telnyx\\.com", "From: <sip:\\+15550100@sip\\.telnyx\\.com>"],
        sdp("o=FreeSWITCH 1 2 IN IP4 [media_ip]", "s=FreeSWITCH", *LAWS, "a=rtpmap:100 telephone-event/8000", "a=fmtp:100 0-15",
            "a=silenceSupp:off - - - -", "a=ptime:20", formats="0 8 100"),
        bye=["BYE sip:mod_sofia@10\\.239\\.11\\.5:6000", "Route: <sip:127"],
        refer="<sip:\\+15551112222@sip\\.telnyx\\.com>",
        challenge='407 Proxy Authentication Required|Proxy-Authenticate: Digest realm="sip.telnyx.com",nonce="a0b1",'
                  'opaque="must-come-back",qop="auth"', user="acme", early="183 Session Progress",
    ),
    "plivo": Side(
        "Plivo Zentrunk",
        f"""{VIA}
Max-Forwards: 68
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:+15557654321@{HERE};transport=[transport]>
Allow: ACK, BYE, CANCEL, INVITE, OPTIONS, REFER, UPDATE
X-Plivo-CallUUID: 00000000-0000-0000-0000-000000000000""",
        "<sip:+15557654321@12345678901234.zt.plivo.com>", "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@12345678901234\\.zt\\.plivo\\.com"],
        sdp("a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000", *TELEPHONE, "a=sendrecv", formats="8 0 101"),
        refer="<sip:\\+15551112222@12345678901234\\.zt\\.plivo\\.com>",
        challenge='407 Proxy Authentication Required|Proxy-Authenticate: Digest realm="plivo.com", nonce="p1", qop="auth"',
        user="acme",
    ),
    "vonage": Side(
        "Vonage SIP trunking",
        f"""{VIA}
Max-Forwards: 69
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:15557654321@{HERE};transport=[transport]>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS""",
        "<sip:15557654321@acme.sip-us.vonage.com>", "<sip:15550100@[remote_ip]>",
        ["INVITE sip:15557654321@acme\\.sip-us\\.vonage\\.com", "From: <sip:15550100@acme\\.sip-us\\.vonage\\.com>"],
        sdp("a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:18 G729/8000", "a=fmtp:18 annexb=no", *TELEPHONE,
            formats="0 8 18 101"),
        challenge='401 Unauthorized|WWW-Authenticate: Digest realm="sip-us.vonage.com", nonce="v1", qop="auth"', user="acme",
    ),
    "sipgate": Side(
        "sipgate trunking",
        f"""Record-Route: <sip:{HERE};transport=[transport];lr>
{VIA}
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 1 INVITE
Max-Forwards: 65
Contact: <sip:004915112345678@{HERE};transport=[transport]>
P-Asserted-Identity: <sip:004915112345678@sipconnect.sipgate.de>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE""",
        "<sip:004915112345678@sipconnect.sipgate.de>", "<sip:4921112345@sipconnect.sipgate.de>",
        ["INVITE sip:004915112345678@sipconnect\\.sipgate\\.de", "From: <sip:1234567t0@sipconnect\\.sipgate\\.de>",
         "P-Preferred-Identity: <sip:4921112345@sipconnect\\.sipgate\\.de>"],
        sdp("a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000", "a=rtpmap:9 G722/8000", *TELEPHONE, "a=ptime:20", formats="8 0 9 101"),
        challenge='407 Proxy Authentication Required|Proxy-Authenticate: Digest realm="sipgate.de", nonce="s1", qop="auth"',
        user="1234567t0",
    ),
    "bandwidth": Side(
        "Bandwidth",
        f"""{VIA}
Via: SIP/2.0/UDP 10.10.4.7:5060;branch=z9hG4bKbw
Record-Route: <sip:{HERE};transport=[transport];lr;ftag=gK0a>
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 3141 INVITE
Max-Forwards: 66
Contact: <sip:+15557654321@10.10.4.7:5060>
P-Asserted-Identity: "ACME" <sip:+15557654321@[local_ip]>
Allow: INVITE,ACK,CANCEL,BYE,REGISTER,REFER,INFO,SUBSCRIBE,NOTIFY,PRACK,UPDATE,OPTIONS
Supported: timer,replaces""",
        '"ACME" <sip:+15557654321@[local_ip];isup-oli=62>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@203\\.0\\.113\\.10", "From: <sip:\\+15550100@203\\.0\\.113\\.10>"],
        sdp("o=Sonus_UAC 1 1 IN IP4 [media_ip]", "s=SIP Media Capabilities", "a=rtpmap:0 PCMU/8000", *TELEPHONE, "a=sendrecv",
            "a=maxptime:20", formats="0 101"),
        bye=["BYE sip:\\+15557654321@10\\.10\\.4\\.7:5060", "Route: <sip:127"],
    ),
    "chime": Side(
        "Amazon Chime SDK Voice Connector",
        f"""Record-Route: <sip:{HERE};transport=[transport];lr;ftag=vC1;did=9f.4d71;nat=yes>
{VIA}
Via: SIP/2.0/UDP 10.0.58.47:5060;branch=z9hG4bKchime
Max-Forwards: 69
From: [from]
To: [to];transport=UDP
Call-ID: [call_id]
CSeq: 104 INVITE
Contact: <sip:10.0.58.47:5060;alias=10.0.58.47~5060~1>
X-VoiceConnector-ID: abcdef1ghij2klmno3pqr4
User-Agent: VineProx-v2.3""",
        "<sip:+15557654321@10.0.58.47:5060>", "<sip:[service]@[remote_ip]:5060>",
        ["INVITE sip:\\+15557654321@abcdef1ghij2klmno3pqr4\\.voiceconnector\\.chime\\.aws",
         "From: <sip:\\+15550100@abcdef1ghij2klmno3pqr4\\.voiceconnector"],
        sdp("o=Sonus_UAC 1 1 IN IP4 [media_ip]", "s=SIP Media Capabilities", "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=sendrecv", "a=ptime:20", formats="0 101"),
        uri="sip:[service]@[remote_ip]:[remote_port];transport=UDP",
        bye=["BYE sip:10\\.0\\.58\\.47:5060;alias=", "Route: <sip:127"],
    ),
    "teams": Side(
        "Microsoft Teams Direct Routing",
        f"""FROM: [from]
TO: [to]
CSEQ: 1 INVITE
CALL-ID: [call_id]
MAX-FORWARDS: 70
VIA: SIP/2.0/[transport] {HERE};branch=[branch]
RECORD-ROUTE: <sip:{HERE};transport=[transport];lr>
CONTACT: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=00000000;x-c=0/d/8/0>
MIN-SE: 300
SUPPORTED: timer
USER-AGENT: Microsoft.PSTNHub.SIPProxy
SESSION-EXPIRES: 3600
HISTORY-INFO: <sip:+4989123456@sbc.acme.example;user=phone>;index=1
ALLOW: INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY
P-ASSERTED-IDENTITY: <tel:+4915112345678>""",
        "Ann <sip:+4915112345678@sip.pstnhub.microsoft.com;user=phone>",
        "<sip:[service]@sbc.acme.example;user=phone>",
        ["INVITE sip:\\+4915112345678@sip\\.pstnhub\\.microsoft\\.com;transport=tls;user=phone",
         "From: <sip:\\+4989123456@sbc\\.acme\\.example;user=phone>", "Contact: <sip:[^>]*@?sbc\\.acme\\.example:"],
        sdp("a=rtpmap:104 SILK/16000", "a=rtpmap:9 G722/8000", *LAWS, "a=rtpmap:13 CN/8000", *TELEPHONE, "a=ptime:20",
            "a=rtcp:53001", formats="104 9 8 0 13 101", proto="RTP/SAVP"),
        uri="sip:[service]@sbc.acme.example:5061;user=phone;transport=tls",
        ok=["Contact: <sip:[^>]*sbc\\.acme\\.example"],
        bye=["BYE sip:api-du-a-euwe\\.pstnhub\\.microsoft\\.com:443;x-i", "Route: <sip:127"],
    ),
    "genesys": Side(
        "Genesys Cloud BYOC",
        f"""{VIA}
Record-Route: <sip:{HERE};transport=[transport];lr>
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 1 INVITE
Max-Forwards: 68
Contact: <sip:+15557654321@{HERE};transport=[transport];language=en-US>
x-inin-cnv: 00000000-0000-0000-0000-000000000000
User-to-User: 616c6c;encoding=hex
Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, OPTIONS, UPDATE
Supported: replaces, timer""",
        "<sip:+15557654321@acme.byoc.mypurecloud.com>", "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@acme\\.byoc\\.mypurecloud\\.com"],
        sdp(*LAWS, *TELEPHONE, "a=ptime:20", "a=sendrecv"),
        refer="<sip:\\+15551112222@acme\\.byoc\\.mypurecloud\\.com\\?User-to-User=[0-9a-f]*%3Bencoding%3Dhex>",
    ),
    "whatsapp": Side(
        "WhatsApp Business Calling",
        f"""{VIA}
Record-Route: <sip:{HERE};transport=[transport];lr>
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 90 INVITE
Max-Forwards: 65
Contact: <sip:[local_ip]:[local_port];transport=[transport];ob>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS
X-FB-External-Domain: wa.meta.vc""",
        '"Ann" <sip:+15557654321@wa.meta.vc>', "<sip:[service]@sip.acme.example>",
        ["INVITE sip:\\+15557654321@wa\\.meta\\.vc;transport=tls", "From: <sip:\\+15550100@sip\\.acme\\.example>"],
        sdp("a=rtpmap:111 opus/48000/2", "a=fmtp:111 maxaveragebitrate=20000;useinbandfec=1", *LAWS,
            "a=rtpmap:126 telephone-event/8000", "a=maxptime:20", "a=sendrecv", formats="111 0 8 126", proto="RTP/SAVP"),
        uri="sip:[service]@sip.acme.example;transport=tls",
        challenge='407 Proxy Authentication Required|Proxy-Authenticate: Digest realm="wa.meta.vc", nonce="w1", opaque="keep",'
                  ' qop="auth", algorithm=MD5', user="15550100",
    ),
    "asterisk": Side(
        "Asterisk (PJSIP)",
        f"""Via: SIP/2.0/[transport] {HERE};rport;branch=[branch]
From: [from]
To: [to]
Contact: <sip:asterisk@{HERE};transport=[transport]>
Call-ID: [call_id]
CSeq: 24170 INVITE
{ASTERISK_HEADERS}
Session-Expires: 1800
Min-SE: 90
P-Asserted-Identity: "Ann" <sip:301@192.0.2.20>
Max-Forwards: 70
User-Agent: Asterisk PBX 18.9.0""",
        '"Ann" <sip:301@192.0.2.20>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20", "From: <sip:gateway@192\\.0\\.2\\.20>"],
        ASTERISK_SDP, refer="<sip:\\+15551112222@192\\.0\\.2\\.20>", answer=f"Server: Asterisk PBX 18.9.0\n{ASTERISK_HEADERS}",
        challenge='401 Unauthorized|WWW-Authenticate: Digest realm="asterisk",nonce="1636/ab",opaque="1d27",algorithm=MD5,qop="auth"',
        user="gateway",
    ),
    "freepbx": Side(
        "FreePBX",
        f"""Via: SIP/2.0/[transport] {HERE};rport;branch=[branch]
From: [from]
To: [to]
Contact: <sip:asterisk@{HERE};transport=[transport]>
Call-ID: [call_id]
CSeq: 8130 INVITE
{ASTERISK_HEADERS}
Session-Expires: 1800;refresher=uac
Min-SE: 90
Max-Forwards: 70
User-Agent: FPBX-15.0.16.61(16.9.0)""",
        '"Ann" <sip:301@192.0.2.20>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20", "Contact: <sip:4989123456@"],
        ASTERISK_SDP, ok=["Session-Expires: 1800;refresher=uac"], refer="<sip:\\+15551112222@192\\.0\\.2\\.20>",
        answer=f"Server: FPBX-15.0.16.61(16.9.0)\n{ASTERISK_HEADERS}",
        challenge='401 Unauthorized|WWW-Authenticate: Digest realm="asterisk",nonce="1/fp",opaque="5e",algorithm=md5,qop="auth"',
        user="gateway",
    ),
    "freeswitch": Side(
        "FreeSWITCH",
        f"""Via: SIP/2.0/[transport] {HERE};rport;branch=[branch]
Max-Forwards: 69
From: [from]
To: [to]
Call-ID: [call_id]
CSeq: 105812340 INVITE
Contact: <sip:mod_sofia@{HERE};transport=[transport]>
User-Agent: FreeSWITCH-mod_sofia/1.10.7-release
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY
Supported: timer, path, replaces
Allow-Events: talk, hold, conference, refer
X-FS-Support: update_display,send_info
Remote-Party-ID: "Ann" <sip:1001@192.0.2.20>;party=calling;screen=yes;privacy=off""",
        '"Ann" <sip:0000000000@192.0.2.20>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20:5080"],
        FREESWITCH_SDP, refer="<sip:\\+15551112222@192\\.0\\.2\\.20>", early="183 Session Progress",
        answer="User-Agent: FreeSWITCH-mod_sofia/1.10.7-release\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REFER, "
               "NOTIFY\nSupported: timer, path, replaces",
    ),
    "3cx": Side(
        "3CX, a trunk",
        f"""Via: SIP/2.0/[transport] {HERE};branch=z9hG4bK-524287-1---[call_number];rport
Max-Forwards: 70
Contact: <sip:15550100@{HERE};transport=[transport];rinstance=1f5a>
To: [to]
From: [from]
Call-ID: [call_id]
CSeq: 1 INVITE
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, MESSAGE, UPDATE
Supported: replaces, timer
User-Agent: 3CXPhoneSystem 18.0.5.418""",
        '"Ann"<sip:301@192.0.2.20>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20"],
        sdp("o=3cxPS 1 1 IN IP4 [media_ip]", "s=3cxPS Audio call", "a=rtpmap:0 PCMU/8000", *TELEPHONE, "a=ptime:20", "a=sendrecv",
            formats="0 101"),
        bye=["BYE sip:15550100@127\\.0\\.0\\.1:[0-9]+;transport=[a-zA-Z]+;rinstance=1f5a"],
    ),
    "3cx-extension": Side(
        "3CX, an extension",
        f"""Via: SIP/2.0/[transport] {HERE};branch=z9hG4bK-524287-1---[call_number];rport
Max-Forwards: 70
Contact: <sip:302@{HERE};transport=[transport]>
To: [to]
From: [from]
Call-ID: [call_id]
CSeq: 1 INVITE
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, MESSAGE, UPDATE
Supported: replaces, timer
User-Agent: 3CXPhoneSystem 18.0.5.418""",
        '"Ann"<sip:302@192.0.2.20>', "<sip:301@192.0.2.20>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20", "From: <sip:301@192\\.0\\.2\\.20>"],
        sdp("o=3cxPS 1 1 IN IP4 [media_ip]", "s=3cxPS Audio call", "a=rtpmap:0 PCMU/8000", *TELEPHONE, "a=ptime:20", "a=sendrecv",
            formats="0 101"),
        refer="<sip:\\+15551112222@192\\.0\\.2\\.20>",
        challenge='407 Proxy Authentication Required|Proxy-Authenticate: Digest nonce="414d53",algorithm=MD5,realm="3CXPhoneSystem"',
        user="x7Kq2mPa",
    ),
    "cucm": Side(
        "Cisco Unified CM",
        f"""{VIA}
From: [from]
To: [to]
Date: Tue, 10 Nov 2026 09:00:00 GMT
Call-ID: [call_id]
Supported: timer,resource-priority,replaces
Min-SE: 1800
User-Agent: Cisco-CUCM12.5
Allow: INVITE, OPTIONS, INFO, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY
CSeq: 101 INVITE
Expires: 180
Allow-Events: presence, kpml
Supported: X-cisco-srtp-fallback,X-cisco-original-called
Call-Info: <sip:{HERE}>;method="NOTIFY;Event=telephone-event;Duration=500"
Call-Info: <urn:x-cisco-remotecc:callinfo>;x-cisco-video-traffic-class=VIDEO_UNSPECIFIED
Session-ID: 00000000000000000000000000000001;remote=00000000000000000000000000000000
Cisco-Guid: 1734259456-0000065536-0000000023-0354396170
Session-Expires: 1800
P-Asserted-Identity: "Ann" <sip:3427@192.0.2.20>
Remote-Party-ID: "Ann" <sip:3427@192.0.2.20>;party=calling;screen=yes;privacy=off
Contact: <sip:3427@{HERE};transport=[transport]>
Max-Forwards: 70""",
        '"Ann" <sip:3427@192.0.2.20>', "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20", "From: <sip:3400@192\\.0\\.2\\.20>", "Session-Expires: 1800"],
        sdp("o=CiscoSystemsCCM-SIP 1 1 IN IP4 [media_ip]", "s=SIP Call", "a=rtpmap:0 PCMU/8000", "a=ptime:20",
            "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", formats="0 101"),
        ok=["m=audio", "Session-Expires: 1800"], refer="<sip:\\+15551112222@192\\.0\\.2\\.20>", delayed=True,
    ),
    "cube": Side(
        "Cisco CUBE",
        f"""{VIA}
Remote-Party-ID: <sip:+15557654321@192.0.2.20>;party=calling;screen=no;privacy=off
From: [from]
To: [to]
Date: Tue, 10 Nov 2026 09:00:00 GMT
Call-ID: [call_id]
Supported: 100rel,timer,resource-priority,replaces,sdp-anat
Require: 100rel
Min-SE: 1800
Cisco-Guid: 0000000001-0000000002-0000000003-0000000004
User-Agent: Cisco-SIPGateway/IOS-16.12.4
Allow: INVITE, OPTIONS, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY, INFO, REGISTER
CSeq: 101 INVITE
Timestamp: 1605000000
Contact: <sip:+15557654321@{HERE};transport=[transport]>
Expires: 180
Allow-Events: telephone-event
Max-Forwards: 69
Session-Expires: 1800""",
        "<sip:+15557654321@192.0.2.20>", "<sip:[service]@[remote_ip]>",
        ["INVITE sip:\\+15557654321@192\\.0\\.2\\.20"],
        sdp("o=CiscoSystemsSIP-GW-UserAgent 1 1 IN IP4 [media_ip]", "s=SIP Call", "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", formats="0 101"),
        refer="<sip:\\+15551112222@192\\.0\\.2\\.20>", early="183 Session Progress",
    ),
    "avaya": Side(
        "Avaya Session Manager",
        f"""Allow: INVITE,ACK,OPTIONS,BYE,CANCEL,SUBSCRIBE,NOTIFY,REFER,INFO,PRACK,PUBLISH,UPDATE
Contact: "Ann" <sip:301@192.0.2.30:5061;gsid=0000;epv=%3csip%3a301%40acme.example%3bgr%3d1%3e>
Accept-Language: en
Alert-Info: <cid:internal@acme.example>;avaya-cm-alert-type=internal
Min-SE: 1200
Record-Route: <sip:{HERE};transport=[transport];lr>
Record-Route: <sip:127.0.0.2:15060;transport=tcp;ibmsid=local;lr>
Record-Route: <sip:192.0.2.31:15060;transport=tls;ibmsid=local;lr>
Record-Route: <sips:192.0.2.32:15061;lr>
Record-Route: <sip:192.0.2.33;transport=tls;lr>
Record-Route: <sip:192.0.2.34;transport=tls;lr>
Record-Route: <sip:192.0.2.35;transport=tls;lr>
Record-Route: <sip:192.0.2.30:5061;transport=tls;lr>
Session-Expires: 1200;refresher=uac
User-to-User: 00FA0800010002;encoding=hex
P-Charging-Vector: icid-value="aa:bb"
Endpoint-View: <sip:301@acme.example;gr=1>;local-tag=1
Max-Breadth: 60
P-Asserted-Identity: "Ann" <sip:301@acme.example>
History-Info: <sip:[service]@acme.example>;index=1
Route: <sip:[remote_ip]:[remote_port];transport=[transport];lr;phase=terminating>
P-AV-Message-Id: 1_1
From: [from]
To: [to]
Call-ID: [call_id]
{VIA}
Via: SIP/2.0/TLS 192.0.2.30;branch=z9hG4bKav
Max-Forwards: 59
CSeq: 1 INVITE
Av-Global-Session-ID: 00000000-0000-0000-0000-000000000000""",
        '"Ann" <sip:301@acme.example>', "<sip:[service]@acme.example>",
        ["INVITE sip:\\+15557654321@acme\\.example;transport=tcp", "From: <sip:\\+15550100@acme\\.example>"],
        sdp("b=TIAS:64000", "a=avf:avc=n prio=n", "a=csup:avf-v0", "a=rtpmap:18 G729/8000", "a=rtpmap:120 telephone-event/8000",
            "a=ptime:60", formats="0 18 120").replace("b=TIAS:64000\n", ""),
        uri="sip:[service]@acme.example", ok=["Session-Expires: 1200;refresher=uac"],
        bye=["BYE sip:301@192\\.0\\.2\\.30:5061;gsid", "Route: <sip:127"],
        refer="<sip:\\+15551112222@acme\\.example>",
    ),
}  # fmt: skip


def message(text: str, body: str = "") -> str:
    """In CDATA, indented, with its length; SIPp takes white space off."""
    whole = f"{text}\nContent-Length: [len]\n"
    if body:
        whole = f"{text}\nContent-Type: application/sdp\nContent-Length: [len]\n\n{body}"
    return "<![CDATA[\n\n" + indent(whole, "      ") + "\n\n    ]]>"


def checks(patterns: list[str], start: int = 1, more: str = "") -> str:
    """Actions that fail the call where a pattern is not found, and what refers to their variables, as SIPp wants it."""
    if not patterns and not more:
        return ""
    lines = [
        f'      <ereg regexp="{_xml(one)}" search_in="msg" check_it="true" assign_to="{start + place}"/>'
        for place, one in enumerate(patterns)
    ]
    return "\n    <action>\n" + "\n".join(lines) + more + "\n    </action>\n  "


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


REPLY = "[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]"


def incoming(side: Side) -> str:
    tag = ";tag=[pid]in[call_number]"
    from_, to = side.from_ + tag, side.to
    head = side.invite.replace("[from]", from_).replace("[to]", to)
    ours = f"From: {from_}\nTo: {to}[peer_tag_param]"
    cseq = next(line for line in head.splitlines() if line.lower().startswith("cseq:")).split(":")[1].split()[0]

    def ask(method: str, number: int, more: str = "", body: str = "") -> str:
        text = (
            f"{method} [next_url] SIP/2.0\nVia: SIP/2.0/[transport] {HERE};branch=[branch]\nMax-Forwards: 70\n{ours}\n"
            f"Call-ID: [call_id]\nCSeq: {number} {method}\n[routes]{more}"
        )
        return message(text, body)

    def say(status: str) -> str:
        contact = "\n" + next(line for line in head.splitlines() if line.split(":")[0].lower() in ("contact", "m"))
        return f"<send>\n    {message(f'SIP/2.0 {status}' + chr(10) + REPLY.format(tag='') + contact)}\n  </send>"

    bye = checks(side.bye, 1)
    parts = [
        f'<send retrans="500">\n    {message(f"INVITE {side.uri} SIP/2.0{chr(10)}{head}", "" if side.delayed else side.sdp)}\n  </send>',
        '<recv response="100" optional="true"/>',
        '<recv response="180" optional="true"/>',
    ]
    if "Require: 100rel" in side.invite:
        prack = f"\nRAck: 1 {cseq} INVITE"
        parts += [
            f'<recv response="183" rrs="true">{checks(["m=audio"], 20)}</recv>',
            f'<send retrans="500">\n    {ask("PRACK", int(cseq) + 1, prack)}\n  </send>',
            '<recv response="200"/>',
        ]
    parts += [
        f'<recv response="200" rrs="true">{checks(side.ok, 10)}</recv>',
        f"<send>\n    {ask('ACK', int(cseq), body=side.sdp if side.delayed else '')}\n  </send>",
    ]
    later = int(cseq) + 2
    held = say("200 OK").replace("Content-Length: [len]\n\n    ]]>", "Content-Type: application/sdp\n      Content-Length: [len]\n\n"
                                 + indent(side.sdp, "      ") + "\n\n    ]]>")  # fmt: skip
    parts += ['<label id="5"/>', '<recv request="INVITE" optional="true" next="6"/>']
    again = ['<label id="6"/>', held, '<recv request="ACK" next="5"/>', '<label id="2"/>']
    if side.refer:
        notify = (
            "\nEvent: refer\nSubscription-State: {state}\nContact: <sip:in@" + HERE + ";transport=[transport]>\n"
            "Content-Type: message/sipfrag;version=2.0"
        )

        def tell(number: int, state: str, fragment: str) -> str:
            text = ask("NOTIFY", number, notify.format(state=state)).replace(
                "\n\n\n    ]]>", f"\n\n      {fragment}\n\n    ]]>"
            )
            return f'<send retrans="500">\n    {text}\n  </send>\n  <recv response="200"/>'

        parts += [
            f'<recv request="REFER" optional="true" next="1">{checks([f"Refer-To: {side.refer}"], 30)}</recv>',
            f'<recv request="BYE" next="2">{bye}</recv>',
            '<label id="1"/>',
            say("202 Accepted"),
            tell(later, "active;expires=60", "SIP/2.0 100 Trying"),
            tell(later + 1, "terminated;reason=noresource", "SIP/2.0 200 OK"),
            '<recv request="BYE" next="2"/>',
            *again,
        ]
    else:
        parts += [f'<recv request="BYE" next="2">{bye}</recv>', *again]
    parts.append(say("200 OK"))
    used = [*range(1, 1 + len(side.bye)), *range(10, 10 + len(side.ok))]
    used += [20] if "Require: 100rel" in side.invite else []
    used += [30] if side.refer else []
    return _scenario(f"{side.title} calls us", parts, used)


def outgoing(side: Side) -> str:
    tag, here = ";tag=[pid]out[call_number]", f"Contact: <sip:out@{HERE};transport=[transport]>"
    more = f"\n{side.answer}" if side.answer else ""

    def say(status: str, extra: str = "", body: str = "", resent: bool = False) -> str:
        text = message(f"SIP/2.0 {status}\n{REPLY.format(tag=tag)}{extra}", body)
        return f"<send{' retrans=' + chr(34) + '500' + chr(34) if resent else ''}>\n    {text}\n  </send>"

    wanted, used = checks(side.wants), list(range(1, 1 + len(side.wants)))
    parts = [f'<recv request="INVITE" rrs="true">{wanted}</recv>']
    if side.challenge:
        status, _, header = side.challenge.partition("|")
        answered = header.replace("Proxy-Authenticate", "Proxy-Authorization").replace(
            "WWW-Authenticate", "Authorization"
        )
        name = answered.partition(":")[0]
        patterns = [f'{name}: Digest username="{side.user}"']
        if 'opaque="' in header:
            patterns.append('opaque="{}"'.format(header.partition('opaque="')[2].partition('"')[0]))
        parts += [say(status, f"\n{header}", resent=True), '<recv request="ACK"/>']
        if name == "Proxy-Authorization":  # which SIPp does not verify
            patterns.append('response="[0-9a-f]+"')
            parts.append(f'<recv request="INVITE" rrs="true">{checks(patterns, 10)}</recv>')
        else:
            verify = f'\n      <verifyauth assign_to="good" username="{side.user}" password="secret"/>'
            parts += [
                f'<recv request="INVITE" rrs="true">{checks(patterns, 10, verify)}</recv>',
                '<nop hide="true" test="good" next="1"/>',
                say("403 Forbidden", resent=True),
                '<recv request="ACK"/>',
                '<recv request="INVITE"/>',
                '<label id="1"/>',
            ]
        used += range(10, 10 + len(patterns))
    early = side.sdp if side.early.startswith("183") else ""
    parts += [
        say("100 Trying").replace(tag, ""),
        say(side.early, f"\n{here}{more}", early),
        '<pause milliseconds="100"/>',
        say("200 OK", f"\n{here}{more}", side.sdp, resent=True),
        '<recv request="ACK"/>',
        '<recv request="BYE"/>',
        say("200 OK").replace(tag, ""),
    ]
    return _scenario(f"{side.title} is called by us", parts, used)


def _scenario(title: str, parts: list[str], used: list[int]) -> str:
    reference = f'<Reference variables="{",".join(map(str, used))}"/>' if used else ""
    body = "\n  ".join([*parts, *filter(None, [reference])])
    return f'{HEAD}<!-- {title}. Made by make.py. -->\n<scenario name="{title}">\n  {body}\n</scenario>\n'


def made() -> dict[str, str]:
    """Every file by its name."""
    found = {}
    for name, side in SIDES.items():
        found[f"{name}_in.xml"], found[f"{name}_out.xml"] = incoming(side), outgoing(side)
    return found


if __name__ == "__main__":
    for name, text in made().items():
        (Path(__file__).parent / name).write_text(text)
