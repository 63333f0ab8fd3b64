package pep508

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

func caseLines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func letter(ok bool, err error) string {
	switch {
	case err != nil:
		return "E"
	case ok:
		return "1"
	}
	return "0"
}

func TestMarkersAgreeWithPackaging(t *testing.T) {
	var envs []map[string]string
	var extras []string
	markers, refused := 0, 0
	for _, line := range caseLines(t, "testdata/markers.txt") {
		want, text, _ := strings.Cut(line, "\t")
		switch want {
		case "env":
			env := make(map[string]string)
			if err := json.Unmarshal([]byte(text), &env); err != nil {
				t.Fatal(err)
			}
			envs = append(envs, env)
			continue
		case "extra":
			extras = append(extras, text)
			continue
		}
		text, err := url.PathUnescape(text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseMarker(text)
		if want == "-" {
			refused++
			if err == nil {
				t.Errorf("%q is refused by packaging", text)
			}
			continue
		}
		markers++
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		plain, lock, _ := strings.Cut(want, " ")
		got := ""
		for _, env := range envs {
			for _, x := range extras {
				got += letter(m.Evaluate(env, x))
			}
		}
		if got != plain {
			t.Errorf("%q: %s, want %s", text, got, plain)
		}
		got = ""
		for _, env := range envs {
			got += letter(m.EvaluateLock(env, []string{"x", "Foo_Bar"}, []string{"x", "Foo_Bar"}))
		}
		// In a lock packaging knows no `extra`; we do, as uv and Poetry write it.
		if got != lock && !strings.Contains(strings.NewReplacer("extras", "").Replace(text), "extra") {
			t.Errorf("%q in a lock: %s, want %s", text, got, lock)
		}
	}
	if markers < 900 || refused < 30 || len(envs) != 7 {
		t.Errorf("case file too small: %d markers, %d refused, %d environments", markers, refused, len(envs))
	}
}

func TestRequirementsAgreeWithPackaging(t *testing.T) {
	n := 0
	for _, line := range caseLines(t, "testdata/requirements.txt") {
		var text string
		var want *struct {
			Name, Normal, URL  string
			Extras, Specifiers []string
			Marker             bool
		}
		if err := json.Unmarshal([]byte(line), &[]any{&text, &want}); err != nil {
			t.Fatal(err)
		}
		n++
		r, err := ParseRequirement(text)
		if (err == nil) != (want != nil) {
			t.Errorf("%q: %+v, %v; want %+v", text, r, err, want)
		}
		if err != nil || want == nil {
			continue
		}
		var specs []string
		for _, s := range r.Specifiers {
			specs = append(specs, s.Operator+s.Text)
		}
		slices.Sort(specs)
		slices.Sort(r.Extras)
		if r.Name != want.Name || Normalize(r.Name) != want.Normal || r.URL != want.URL || r.Marker.IsZero() == want.Marker ||
			!slices.Equal(slices.Compact(specs), want.Specifiers) || !slices.Equal(slices.Compact(r.Extras), want.Extras) {
			t.Errorf("%q: %+v, want %+v", text, r, *want)
		}
	}
	if n < 100 {
		t.Errorf("case file too small: %d", n)
	}
}
