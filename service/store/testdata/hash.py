# Prints the hash of each entry (a line of JSON) on its input, from what entry.go documents and independently of it:
#   python3 hash.py < entries.jsonl > entries.sha256
import hashlib, struct, json, base64, sys, datetime
def i(n): return struct.pack(">q", n)
def text(s):
    b=s.encode(); return i(len(b))+b
def doc(b64):
    if b64 is None: return b"\0"
    b=base64.b64decode(b64); return b"\1"+i(len(b))+b
def hash_of(e):
    m=e["meta"]
    at=datetime.datetime.fromisoformat(m["at"].replace("Z","+00:00"))
    ms=(at-datetime.datetime(1970,1,1,tzinfo=datetime.timezone.utc))//datetime.timedelta(milliseconds=1)
    out=b"dimmer/entry/1\n"+i(e["epoch"])+i(e["revision"])+i(ms)
    for f in ("actor","verb","target","reason","address"): out+=text(m.get(f,""))
    out+=i(len(e["changes"]))
    for c in e["changes"]:
        out+=text(c["k"]["c"])+text(c["k"]["i"])+doc(c.get("b"))+doc(c.get("a"))
    return hashlib.sha256(bytes.fromhex(e["prev"])+out).hexdigest()
for line in sys.stdin: print(hash_of(json.loads(line)))
