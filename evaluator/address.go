package evaluator

import (
	"strings"
)

// address is an IP address. IPv4 is kept in its IPv4-mapped form, so that an address and a mapped address are one.
type address struct{ hi, lo uint64 }

const mappedIPv4 = 0xffff_0000_0000 // low half of ::ffff:0.0.0.0

func (a address) isIPv4() bool { return a.hi == 0 && a.lo>>32 == mappedIPv4>>32 }

// network holds the addresses that share its first bits; IPv4 networks are counted within the mapped form, from bit 96.
type network struct {
	base address
	bits int // 0…128
}

func (n *network) contains(a address) bool {
	if a.isIPv4() && n.bits < 96 {
		return false // ::/0 holds IPv6 alone
	}
	if n.bits <= 64 {
		return (a.hi^n.base.hi)>>(64-n.bits) == 0
	}
	return a.hi == n.base.hi && (a.lo^n.base.lo)>>(128-n.bits) == 0
}

// parseNetwork reads an address, or an address with "/" and a number of bits.
func parseNetwork(s string) (n network, ok bool) {
	text, length, cut := strings.Cut(s, "/")
	base, ok := parseAddress(text)
	if !ok {
		return n, false
	}
	n = network{base, 128}
	if !cut {
		return n, true
	}
	count, ok := smallNumber(length, 128)
	dotted := !strings.Contains(text, ":")
	if dotted {
		count += 96
	}
	if !ok || count > 128 || base.isIPv4() && count < 96 {
		return n, false
	}
	n.bits = count
	return n, true
}

// smallNumber reads up to three digits without leading zeros.
func smallNumber(s string, limit int) (int, bool) {
	if len(s) == 0 || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n <= limit
}

// parseAddress reads dotted IPv4 without leading zeros, or IPv6 in any of its spellings, without a zone.
func parseAddress(s string) (address, bool) {
	if strings.IndexByte(s, ':') < 0 {
		v4, ok := parseIPv4(s)
		return address{0, mappedIPv4 | uint64(v4)}, ok
	}
	var groups [8]uint16
	gap := -1 // where :: stood
	n := 0
	if strings.HasPrefix(s, "::") {
		gap, s = 0, s[2:]
	}
	for len(s) > 0 {
		if n == 8 {
			return address{}, false
		}
		end := strings.IndexByte(s, ':')
		if end < 0 && strings.IndexByte(s, '.') >= 0 { // the last 32 bits may be dotted
			v4, ok := parseIPv4(s)
			if !ok || n > 6 {
				return address{}, false
			}
			groups[n], groups[n+1] = uint16(v4>>16), uint16(v4)
			n += 2
			break
		}
		group := s
		if end >= 0 {
			group = s[:end]
		}
		v, ok := parseGroup(group)
		if !ok {
			return address{}, false
		}
		groups[n] = v
		n++
		if end < 0 {
			break
		}
		s = s[end+1:]
		switch {
		case s == "":
			return address{}, false
		case s[0] == ':':
			if gap >= 0 {
				return address{}, false
			}
			gap, s = n, s[1:]
		}
	}
	if gap < 0 && n != 8 || gap >= 0 && n == 8 {
		return address{}, false
	}
	return joinGroups(groups, n, gap), true
}

// joinGroups puts the groups after the gap at the end.
func joinGroups(groups [8]uint16, n, gap int) (a address) {
	var full [8]uint16
	if gap < 0 {
		gap = n
	}
	copy(full[:gap], groups[:gap])
	copy(full[8-(n-gap):], groups[gap:n])
	for i := range 4 {
		a.hi = a.hi<<16 | uint64(full[i])
		a.lo = a.lo<<16 | uint64(full[i+4])
	}
	return a
}

func parseGroup(s string) (v uint16, ok bool) {
	if len(s) == 0 || len(s) > 4 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint16(c)
	}
	return v, true
}

func parseIPv4(s string) (v uint32, ok bool) {
	for i := range 4 {
		part, rest, dot := strings.Cut(s, ".")
		n, ok := smallNumber(part, 255)
		if !ok || dot != (i < 3) {
			return 0, false
		}
		v, s = v<<8|uint32(n), rest
	}
	return v, true
}
