package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/xrash/smetrics"
)

// parse decodes on top of the defaults and refuses what it does not know.
func parse(data []byte) (Config, error) {
	c := Default()
	dec := toml.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Config{}, explain(err)
	}
	lines := Lines(data)
	for name, w := range c.Rank.Ecosystem {
		if lines["rank.ecosystem."+name+".top"] == 0 {
			w.Top = defaultTop
		}
	}
	if err := c.checkFile(knownNames()); err != nil {
		// What is wrong with a value begins with its key.
		key, _, _ := strings.Cut(err.Error(), ":")
		if line := lines[key]; line > 0 {
			return Config{}, fmt.Errorf("line %d: %w", line, err)
		}
		return Config{}, err
	}
	return c, nil
}

// typeName is TOML's name of a Go type of Config.
func typeName(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int") || strings.HasPrefix(goType, "float"):
		return "a number"
	case strings.HasPrefix(goType, "map") || strings.HasPrefix(goType, "struct"):
		return "a table"
	}
	return "a string"
}

// explain turns the decoder's error into one line: where, what, and for an
// unknown key the nearest one there is.
func explain(err error) error {
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(missing.Errors) > 0 {
		first := missing.Errors[0]
		line, _ := first.Position()
		key := []string(first.Key())
		return fmt.Errorf("line %d: unknown key %q%s", line, strings.Join(key, "."), nearest(generic(key), knownKeys()))
	}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := decode.Position()
		where := fmt.Sprintf("line %d", line)
		if key := strings.Join(decode.Key(), "."); key != "" {
			where += ": " + key
		} else {
			where = fmt.Sprintf("line %d, column %d", line, column)
		}
		what := strings.TrimPrefix(decode.Error(), "toml: ")
		// "cannot decode TOML string into struct field config.GC.Keep of type int": the field is
		// this program's business, the types are the writer's.
		if before, after, ok := strings.Cut(what, " into struct field "); ok {
			if _, want, ok := strings.Cut(after, " of type "); ok {
				what = fmt.Sprintf("%s where %s is wanted", strings.TrimPrefix(before, "cannot decode TOML "), typeName(want))
			}
		}
		return fmt.Errorf("%s: %s", where, what)
	}
	return err
}

// knownKeys lists every key of the file, dotted, the profile's name as NAME.
// It runs only when a key was not known.
func knownKeys() []string {
	var keys []string
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for f := range t.Fields() {
			if f.Anonymous {
				walk(f.Type, prefix)
				continue
			}
			key := prefix + f.Tag.Get("toml")
			keys = append(keys, key)
			switch {
			case f.Type == reflect.TypeFor[map[string]*Wanted]():
				walk(reflect.TypeFor[Wanted](), key+".NAME.")
			case f.Type == reflect.TypeFor[map[string]Profile]():
				walk(reflect.TypeFor[Profile](), key+".NAME.")
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type, key+".")
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
				walk(f.Type.Elem(), key+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return keys
}

// generic replaces the name of a profile or an ecosystem, so that profile.ci.veiws is compared
// with profile.NAME.views.
func generic(key []string) string {
	if len(key) > 3 && key[0] == "rank" && key[1] == "ecosystem" {
		key = append([]string{"rank", "ecosystem", "NAME"}, key[3:]...)
	}
	if len(key) > 2 && key[0] == "profile" {
		key = append([]string{"profile", "NAME"}, key[2:]...)
	}
	return strings.Join(key, ".")
}

// otherwise are keys that people try, whose spelling is near to nothing.
var otherwise = map[string]string{
	"rank.allow": "rank.include", "rank.add": "rank.include", "build.include": "rank.include", "build.add": "rank.include",
	"rank.deny": "rank.exclude", "rank.block": "rank.exclude", "build.exclude": "rank.exclude", "build.pin": "rank.pin",
}

// nearest returns "; did you mean X?", or "" when nothing known is close to key.
func nearest(key string, known []string) string {
	if other := otherwise[key]; other != "" {
		return fmt.Sprintf("; did you mean %s?", other)
	}
	if best := Nearest(key, known); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ""
}

// Nearest returns the one of known that is closest to a mistyped word, as a whole or in its
// last part (a key in the wrong section), and "" when none has half of it in common.
func Nearest(word string, known []string) string {
	best, at := "", len(word)/2+1
	for _, k := range known {
		d := smetrics.WagnerFischer(word, k, 1, 1, 1)
		if last(k) == last(word) {
			d = min(d, 2)
		}
		if d < at && d < max(len(word), len(k)) {
			best, at = k, d
		}
	}
	return best
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }
