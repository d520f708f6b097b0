package evaluator

import "math"

// maxMillis is how far from 1970 an instant given as a number may be, in milliseconds: the range of ECMAScript's dates.
const maxMillis = 8.64e15

// instantOf is the instant that a candidate means, in Unix milliseconds: an RFC 3339 string or a number.
func instantOf(d *datum) (int64, bool) {
	switch d.kind {
	case datumText:
		return parseInstant(d.text)
	case datumNumber:
		return instantOfNumber(d.number)
	default:
		return 0, false
	}
}

func instantOfNumber(f float64) (int64, bool) {
	if !(math.Abs(f) <= maxMillis) {
		return 0, false
	}
	return int64(math.Floor(f)), true
}

// parseInstant reads RFC 3339 in its strict form: capital T and Z, a point before the fraction, no leap second. A fraction of a
// millisecond is dropped, which rounds down because seconds count upwards before 1970 too.
func parseInstant(s string) (int64, bool) {
	const layout = "0000-00-00T00:00:00"
	if len(s) <= len(layout) {
		return 0, false
	}
	for i := range len(layout) {
		if isDigit(s[i]) != (layout[i] == '0') || layout[i] != '0' && s[i] != layout[i] {
			return 0, false
		}
	}
	year, month, day := int64(two(s))*100+int64(two(s[2:])), two(s[5:]), two(s[8:])
	hour, minute, second := two(s[11:]), two(s[14:]), two(s[17:])
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	millis, s, ok := fraction(s[len(layout):])
	if !ok {
		return 0, false
	}
	offset, ok := offsetMinutes(s)
	if !ok {
		return 0, false
	}
	seconds := daysSince1970(year, month, day)*86400 + int64(hour*3600+minute*60+second) - offset*60
	return seconds*1000 + millis, true
}

// fraction reads a point and at least one digit, if a point is there.
func fraction(s string) (millis int64, rest string, ok bool) {
	if len(s) == 0 || s[0] != '.' {
		return 0, s, true
	}
	n := 1
	for scale := int64(100); n < len(s) && isDigit(s[n]); n, scale = n+1, scale/10 {
		millis += int64(s[n]-'0') * scale
	}
	return millis, s[n:], n > 1
}

func offsetMinutes(s string) (int64, bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || !isDigit(s[1]) || !isDigit(s[2]) || !isDigit(s[4]) || !isDigit(s[5]) {
		return 0, false
	}
	hours, minutes := two(s[1:]), two(s[4:])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	switch s[0] {
	case '+':
		return int64(hours*60 + minutes), true
	case '-':
		return -int64(hours*60 + minutes), true
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// two is the number of the first two characters, which are digits.
func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

func daysIn(year int64, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar from 1970-01-01: years begin in March, so that the leap day comes last.
func daysSince1970(year int64, month, day int) int64 {
	m := int64(month+9) % 12
	y := year - m/10
	days := 365*y + floorDiv(y, 4) - floorDiv(y, 100) + floorDiv(y, 400) + (m*306+5)/10 + int64(day) - 1
	return days - 719468
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
