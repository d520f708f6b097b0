package feature

import (
	"strconv"
	"strings"
)

// Percent is a share in thousandths of a percent: 100,000 is all. In JSON it is a number of percent, a multiple of 0.001,
// which is one bucket of the hash line. It is read and written exactly, without a float in between.
type Percent int32

// Shares that have a name.
const (
	None Percent = 0
	All  Percent = 100_000
)

// ParsePercent reads a JSON number of percent ("12.5", "1e1", "0.001"). It refuses what is not a multiple of 0.001 and what
// is not between 0 and 100.
func ParsePercent(s string) (Percent, error) {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(s[i+1:], "+"))
		if err != nil || strings.HasPrefix(s[i+1:], "+-") || e < -1000 || e > 1000 {
			return 0, Invalid("", "%s is not a percentage", quote(s))
		}
		mantissa, exponent = s[:i], e
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, hasPoint := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := whole + fraction
	if whole == "" || hasPoint && fraction == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, Invalid("", "%s is not a percentage", quote(s))
	}
	point := len(whole) + exponent + 3 // in thousandths of a percent, the decimal point comes after so many digits
	digits, point = trimZeros(digits, point)
	if digits == "" {
		return 0, nil
	}
	switch {
	case negative:
		return 0, Invalid("", "%s %% is below 0", s)
	case point < len(digits):
		return 0, Invalid("", "%s %% is not a multiple of 0.001", s)
	case point > 6:
		return 0, Invalid("", "%s %% is above 100", s)
	}
	n, err := strconv.Atoi(digits + strings.Repeat("0", point-len(digits)))
	if err != nil || n > int(All) {
		return 0, Invalid("", "%s %% is above 100", s)
	}
	return Percent(n), nil
}

// trimZeros drops digits that do not matter from both ends.
func trimZeros(digits string, point int) (string, int) {
	for digits != "" && digits[0] == '0' {
		digits, point = digits[1:], point-1
	}
	return strings.TrimRight(digits, "0"), point
}

// String is the shortest decimal of percent, without a sign for it: "12.5".
func (p Percent) String() string {
	n := int64(p)
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatInt(n/1000, 10)
	if r := n % 1000; r != 0 {
		s += "." + strings.TrimRight(strconv.FormatInt(1000+r, 10)[1:], "0")
	}
	return sign + s
}

// MarshalJSON writes the number of percent.
func (p Percent) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalJSON reads a number of percent.
func (p *Percent) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] == '"' || data[0] == 'n' || data[0] == '[' || data[0] == '{' || data[0] == 't' || data[0] == 'f' {
		return Malformed("", "must be a number of percent")
	}
	n, err := ParsePercent(string(data))
	*p = n
	return err
}
