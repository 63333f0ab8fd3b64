package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written 50GB, 1.5GiB, 800M or plain. A unit
// without an i is decimal, as disks are sold and as df -H counts.
type Size int64

// ParseSize reads a size as the file and the flags write it.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "kKmMgGtTiIbB ")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is not a size: write it as 50GB or 800MiB", s)
	}
	unit := strings.ToLower(strings.TrimSpace(s[len(digits):]))
	unit = strings.TrimSuffix(unit, "b")
	base := 1000.0
	if rest, ok := strings.CutSuffix(unit, "i"); ok {
		base, unit = 1024, rest
	}
	power := map[string]float64{"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
	p, ok := power[unit]
	if !ok || base == 1024 && unit == "" {
		return 0, fmt.Errorf("%q is not a size: units are kB, MB, GB, TB and KiB, MiB, GiB, TiB", s)
	}
	n *= math.Pow(base, p)
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return Size(n), nil
}

// String writes a size as ParseSize reads it.
func (z Size) String() string {
	for unit, bytes := range map[string]Size{"TB": 1e12, "GB": 1e9, "MB": 1e6} {
		if n := z / bytes; n > 0 && n < 1000 && n*bytes == z {
			return fmt.Sprint(int64(n), unit)
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// Bytes is the size as a number, 0 of none.
func (z *Size) Bytes() int64 {
	if z == nil {
		return 0
	}
	return int64(*z)
}

// MarshalText implements encoding.TextMarshaler.
func (z Size) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (z *Size) UnmarshalText(text []byte) (err error) {
	*z, err = ParseSize(string(text))
	return err
}

// Age is a length of time, written 2w, 14d, 36h or 90m.
type Age time.Duration

// ParseAge reads an age as the file and the flags write it: what
// time.ParseDuration reads, or a whole number of days or weeks.
func ParseAge(s string) (Age, error) {
	const day = 24 * time.Hour
	for unit, length := range map[string]time.Duration{"d": day, "w": 7 * day} {
		digits, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n > uint64(math.MaxInt64/length) {
			return 0, fmt.Errorf("%q is not an age: write it as 2w, 14d or 36h", s)
		}
		return Age(time.Duration(n) * length), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not an age: write it as 2w, 14d or 36h", s)
	}
	return Age(d), nil
}

// MarshalText implements encoding.TextMarshaler.
func (a Age) MarshalText() ([]byte, error) {
	if days := time.Duration(a) / (24 * time.Hour); days > 0 && time.Duration(a)%(24*time.Hour) == 0 {
		return fmt.Appendf(nil, "%dd", days), nil
	}
	return []byte(time.Duration(a).String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Age) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAge(string(text))
	return err
}
