package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/dimmerhq/dimmer/service/policy"
)

// A token is dm<kind>_<id>_<secret>_<checksum>: one letter for the kind, 13 characters of id (65 bits), 52 of secret
// (256 bits) and 7 of a CRC-32 over all before it, each lower-case base 32. The checksum lets a typo be refused
// without a look-up, and lets secret scanners recognise a leaked token without false alarms.
const (
	idLen       = 13
	secretLen   = 52
	checksumLen = 7
)

var (
	alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	letters  = map[policy.Kind]byte{policy.KindAdmin: 'a', policy.KindServer: 's', policy.KindClient: 'c', policy.KindKill: 'k'}
)

// Minted is a new token. Text is shown once and never stored; Hash is what is kept.
type Minted struct {
	Text string
	ID   string
	Hash [32]byte
}

// Mint makes a token from the system's randomness.
func Mint(kind policy.Kind) (Minted, error) {
	letter, ok := letters[kind]
	if !ok {
		return Minted{}, fmt.Errorf("auth: no token is made for kind %q", kind)
	}
	var raw [9 + 32]byte
	rand.Read(raw[:]) // never fails; it ends the program instead
	id := alphabet.EncodeToString(raw[:9])[:idLen]
	secret := alphabet.EncodeToString(raw[9:])
	body := fmt.Sprintf("dm%c_%s_%s", letter, id, secret)
	return Minted{Text: body + "_" + checksum(body), ID: id, Hash: sha256.Sum256([]byte(body))}, nil
}

func checksum(body string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(body)))
	return alphabet.EncodeToString(sum[:])
}

// parsed is a token whose form and checksum are right; whether it is anybody's is another question.
type parsed struct {
	kind policy.Kind
	id   string
	hash [32]byte
}

// parse checks form and checksum without touching any state. The error never holds the token.
func parse(text string) (parsed, error) {
	const total = 3 + 1 + idLen + 1 + secretLen + 1 + checksumLen
	if len(text) != total {
		return parsed{}, fmt.Errorf("a token has %d characters, this has %d", total, len(text))
	}
	const secretAt = 3 + 1 + idLen + 1
	body, sum := text[:total-checksumLen-1], text[total-checksumLen:]
	if text[:2] != "dm" || strings.Count(text, "_") != 3 || text[3] != '_' || text[secretAt-1] != '_' || text[len(body)] != '_' {
		return parsed{}, fmt.Errorf("a token has the form dm…_<id>_<secret>_<checksum>")
	}
	if checksum(body) != sum {
		return parsed{}, fmt.Errorf("the token's checksum is wrong: a character was mistyped or lost")
	}
	for kind, letter := range letters {
		if letter == text[2] {
			return parsed{kind: kind, id: text[4 : secretAt-1], hash: sha256.Sum256([]byte(body))}, nil
		}
	}
	return parsed{}, fmt.Errorf("the token is of an unknown kind %q", text[:3])
}
