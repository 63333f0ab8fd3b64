package registry

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// maxNPMRC bounds a file of configuration.
const maxNPMRC = 1 << 20

// settings are options of npm by name, of which the first that is set counts.
type settings map[string]string

func (s settings) add(key, value string) {
	if _, is := s[key]; !is && value != "" {
		s[key] = value
	}
}

// environment adds what variables set: npm_config_registry, and anything else in the same way. Names are
// written in any case, with "_" for "-" but at their front; those that begin with "//" stay as they are.
func (s settings) environment(environ []string) {
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if len(name) <= len("npm_config_") || !strings.EqualFold(name[:len("npm_config_")], "npm_config_") {
			continue
		}
		name = name[len("npm_config_"):]
		if !strings.HasPrefix(name, "//") {
			name = strings.ToLower(name[:1] + strings.ReplaceAll(name[1:], "_", "-"))
		}
		s.add(name, value)
	}
}

// file adds what an npmrc file says, with variables in place; none is no error.
func (s settings) file(path string, getenv func(string) (string, bool)) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxNPMRC {
		return fmt.Errorf("%w: %s is no file of at most %d bytes", ErrConfig, path, maxNPMRC)
	}
	last := settings{} // in one file the last line counts
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxNPMRC)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.ContainsRune(";#[", rune(line[0])) {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		last[expand(unquote(key), getenv)] = expand(unquote(value), getenv)
	}
	for key, value := range last {
		s.add(key, value)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: read %s: %w", ErrConfig, path, err)
	}
	return nil
}

// unquote reads a key or a value as ini files have them.
func unquote(text string) string {
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' {
		return text[1 : len(text)-1]
	}
	var quoted string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &quoted) == nil {
		return quoted
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && strings.IndexByte(`\;#`, text[i+1]) >= 0 {
			i++
		} else if text[i] == ';' || text[i] == '#' {
			break
		}
		b.WriteByte(text[i])
	}
	return strings.TrimSpace(b.String())
}

var variable = regexp.MustCompile(`\$\{([^${}?]+)(\?)?\}`)

// expand puts variables in place, as npm does: one that is not set stays as it is written, or is
// empty where a "?" says so.
func expand(text string, getenv func(string) (string, bool)) string {
	return variable.ReplaceAllStringFunc(text, func(word string) string {
		part := variable.FindStringSubmatch(word)
		switch value, is := getenv(part[1]); {
		case is:
			return value
		case part[2] == "?":
			return ""
		}
		return word
	})
}
