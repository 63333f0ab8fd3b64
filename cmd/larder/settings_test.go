package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v2"

	"larder/cmd/internal/config"
)

// keyless are the flags without a key, and why.
var keyless = map[string]string{
	"config": "says where the keys are",
	"json":   "what one caller reads",

	"build ecosystem":  "says which keys the flags of a ranking stand in for",
	"rank ecosystem":   "as above",
	"build dry-run":    "of one build",
	"build quiet":      "of one caller",
	"build no-use":     "of one build: larder use --hold is for all that follow",
	"build force":      "of one build: a guard that is always off is none",
	"rank source":      "of one question",
	"rank explain":     "of one question",
	"rank simulate":    "of one question",
	"rank uv":          "of one simulation",
	"rank cache":       "of one simulation",
	"rank show-query":  "of one question",
	"rank force":       "of one ranking: a guard that is always off is none",
	"run requirement":  "whose packages is what a run is about",
	"run venv":         "where they go, likewise",
	"run scripts":      "packages' code runs where a run asks for it, and never by default",
	"run user":         "of one run",
	"run instance":     "of one run: two cannot share one",
	"run report":       "of one run",
	"run run-dir":      "where the program keeps its mounts: all commands and the hook must agree",
	"gc run-dir":       "as above",
	"ls run-dir":       "as above",
	"show run-dir":     "as above",
	"mount run-dir":    "as above",
	"unmount run-dir":  "as above",
	"gc leftovers":     "of one collection",
	"gc dry-run":       "of one collection",
	"unmount all":      "of one unmount",
	"use hold":         "of one snapshot",
	"use release":      "likewise",
	"verify full":      "of one check",
	"verify subset":    "of one check",
	"revoke reason":    "of one revocation",
	"revoke list":      "of one question",
	"revoke undo":      "of one revocation",
	"revoke dry-run":   "of one revocation",
	"repair dry-run":   "of one repair",
	"rebuild check":    "of one check",
	"rebuild quiet":    "of one caller",
	"repair run-dir":   "as above",
	"build run-dir":    "as above",
	"use run-dir":      "as above",
	"revoke run-dir":   "as above",
	"check python":     "of one question",
	"history last":     "of one question",
	"diff files":       "of one comparison",
	"report output":    "of one report",
	"report run-dir":   "as above",
	"timer cron":       "of one setup",
	"timer dir":        "of one setup",
	"timer metrics":    "the build that the unit runs reads the key itself",
	"podman every":     "of one setup",
	"podman profile":   "of one setup",
	"podman hooks-dir": "of one setup",
	"podman cdi-dir":   "of one setup",
	"podman hook":      "of one setup",
	"podman required":  "of one setup",
	"podman remove":    "of one setup",
	"podman dry-run":   "of one setup",
	"docker cdi-dir":   "of one setup",
	"docker hook":      "of one setup",
	"docker required":  "of one setup",
	"docker remove":    "of one setup",
	"docker dry-run":   "of one setup",
	"bundle profile":   "of one setup",
	"bundle hook":      "of one setup",
	"bundle required":  "of one setup",
	"bundle remove":    "of one setup",
	"bundle dry-run":   "of one setup",
	"nri nri":          "of one setup",
	"nri dir":          "of one setup",
	"nri required":     "of one setup",
	"nri remove":       "of one setup",
	"nri dry-run":      "of one setup",
	"list root":        "of one setup",

	"stats since":      "of one question",
	"stats prometheus": "of one question: the key metrics is for what changes the store",
	"doctor run-dir":   "as above",
	"doctor container": "of one question",
}

// flagless are the keys without a flag, and why.
var flagless = map[string]string{
	"rank.include": "for every build to come: what a flag adds would be gone with the next, as with the next ones",
	"rank.exclude": "", "rank.pin": "",
	"rank.source":          "part of what a site's ranking is, as are the next ones",
	"rank.weight.rankings": "", "rank.weight.misses": "", "rank.weight.clickhouse": "",
	"rank.clickhouse.endpoint": "may hold credentials, which a command line shows to everyone",
	"rank.clickhouse.projects": "of that server, as are the next ones",
	"rank.clickhouse.days":     "", "rank.clickhouse.versions": "", "rank.clickhouse.installers": "",
	"build.timeout":      "of the site's line; an interrupt ends one build sooner",
	"build.sdists_allow": "whose code may run on this host is the site's word, as is the next one", "build.sdists_deny": "",
	"build.sdists_root": "what a site's machine code is built in, which its recipes name; as is the next one", "build.sdists_libraries": "",
	"run.upper_limit": "the operator's bound, not the caller's",
	"run.min_free":    "the same",
}

// Every flag has a key that feeds it, or a reason to have none, and every key a flag.
func TestSettingsAreWhole(t *testing.T) {
	var cfg config.Config
	rows := settings(&cfg, "")
	reasons, fed := map[string]bool{}, map[string]bool{}
	var walk func(commands []*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, cmd := range commands {
			walk(cmd.Subcommands)
			for _, f := range cmd.Flags {
				name := f.Names()[0]
				at := slices.IndexFunc(rows, func(s setting) bool { return s.flag == name && s.of(cmd.Name) })
				own, all := cmd.Name+" "+name, name
				switch {
				case at >= 0 && (keyless[own] != "" || keyless[all] != ""):
					t.Errorf("%s: in the table and in the list of flags without a key", own)
				case at >= 0:
					fed[rows[at].key+" "+cmd.Name] = true
				case keyless[own] != "":
					reasons[own] = true
				case keyless[all] != "":
					reasons[all] = true
				default:
					t.Errorf("%s: no key of the configuration, and no reason to have none", own)
				}
			}
		}
	}
	walk(newApp().Commands)
	for name := range keyless {
		if !reasons[name] {
			t.Errorf("%s: no such flag", name)
		}
	}
	keys := map[string]bool{}
	for _, s := range rows {
		keys[s.key] = true
		for _, cmd := range strings.Fields(s.commands) {
			if !fed[s.key+" "+cmd] {
				t.Errorf("%s: %s has no flag --%s", s.key, cmd, s.flag)
			}
		}
	}
	for _, key := range configKeys(t) {
		if _, no := flagless[key]; no == keys[key] {
			t.Errorf("%s: it needs a flag or a reason to have none, and not both", key)
		}
	}
}

// configKeys are the keys of the file but profiles', which only the hook reads.
func configKeys(t *testing.T) (keys []string) {
	t.Helper()
	cfg := config.Default()
	cfg.Rank.Budget = new(config.Size)
	text, err := cfg.TOML()
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "profile")
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			if sub, ok := v.(map[string]any); ok {
				walk(prefix+k+".", sub)
			} else {
				keys = append(keys, prefix+k)
			}
		}
	}
	walk("", all)
	if len(keys) < 30 {
		t.Fatalf("only %d keys: %q", len(keys), keys)
	}
	return keys
}

// samples are two values that a key can have, as flags and the file write them.
func samples(s setting) [2]string {
	switch s.key {
	case "build.views", "run.views":
		return [2]string{"simple", "pip-old"}
	case "run.missing":
		return [2]string{"fail", "pip"}
	case "build.sdists":
		return [2]string{"pure", "no"}
	case "run.built":
		return [2]string{"no", "all"}
	case "build.layers":
		return [2]string{"all", "none"}
	}
	switch s.value.(type) {
	case *int:
		return [2]string{"7", "9"}
	case *bool:
		return [2]string{"true", "false"}
	case *config.Age:
		return [2]string{"36h", "2w"}
	case **config.Size:
		return [2]string{"5GB", "7GB"}
	}
	return [2]string{"/a", "/b"}
}

// inTOML writes a sample as the file has it.
func inTOML(s setting, sample string) string {
	switch s.value.(type) {
	case *int, *bool:
		return sample
	case *[]string:
		return "[" + quote(sample) + "]"
	}
	return quote(sample)
}

// want is how a setting's value prints when it is the sample.
func want(s setting, sample string) string {
	switch s.value.(type) {
	case *[]string:
		return "[" + sample + "]"
	case *config.Age:
		age, _ := config.ParseAge(sample)
		return fmt.Sprint(age)
	}
	return sample
}

// Every row reaches every command it names: the file's value without the flag, the flag's with it.
func TestSettingsFeedEveryCommand(t *testing.T) {
	t.Setenv("LARDER_STORE", "")
	app := newApp()
	commands := app.Commands // without the help that running it adds
	var got config.Config
	for _, cmd := range commands {
		cmd.Action = func(c *cli.Context) (err error) {
			got, err = loadConfig(c)
			return err
		}
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	value := func(row int) string {
		return fmt.Sprint(reflect.ValueOf(settings(&got, "")[row].value).Elem().Interface())
	}
	for row, s := range settings(&got, "") {
		for _, sample := range samples(s) {
			other := samples(s)[0]
			if other == sample {
				other = samples(s)[1]
			}
			if err := os.WriteFile(file, []byte(s.key+" = "+inTOML(s, sample)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, cmd := range commands {
				if !s.of(cmd.Name) || len(cmd.Subcommands) > 0 {
					continue
				}
				if err := app.Run([]string{"larder", "--config", file, cmd.Name}); err != nil || value(row) != want(s, sample) {
					t.Errorf("%s: %s of the file is %s, want %s: %v", cmd.Name, s.key, value(row), want(s, sample), err)
				}
				flag := "--" + s.flag + "=" + other
				if err := app.Run([]string{"larder", "--config", file, cmd.Name, flag}); err != nil || value(row) != want(s, other) {
					t.Errorf("%s: %s of %s is %s, want %s: %v", cmd.Name, s.key, flag, value(row), want(s, other), err)
				}
			}
		}
	}
}

// A command that read such a flag by itself would not see the file.
func TestSettingsAreReadInOnePlace(t *testing.T) {
	read := regexp.MustCompile(`\bc\.(?:String|StringSlice|Int|Bool)\("([a-z-]+)"\)`)
	var cfg config.Config
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range read.FindAllSubmatch(text, -1) {
			flag := string(m[1])
			inTable := slices.ContainsFunc(settings(&cfg, ""), func(s setting) bool { return s.flag == flag })
			own := []string{"setup.go metrics", "setup_hook.go required", "setup_nri.go required", "check.go python", "run.go user"} // flags of their own
			if inTable && !slices.Contains(own, name+" "+flag) {
				t.Errorf("%s reads --%s by itself", name, flag)
			}
		}
	}
}

// A value is refused in the same words, whether a flag has it or the file.
func TestSettingsRefuseAlike(t *testing.T) {
	for _, tc := range []struct{ command, flag, value, file, text string }{
		{"build", "--jobs", "65", "build.jobs = 65", "65 is not between 1 and 64"},
		{"build", "--top", "0", "rank.top = 0", "0 is less than 1"},
		{"build", "--budget", "0", `rank.budget = "0"`, "0 stocks nothing"},
		{"build", "--budget", "5XB", `rank.budget = "5XB"`, `"5XB" is not a size: write it as 50GB`},
		{"build", "--layers", "some", `build.layers = "some"`, `"some" is none of auto, all, none`},
		{"build", "--sdists", "some", `build.sdists = "some"`, `what is built from sources is no, pure or all, not "some"`},
		{"check", "--built", "some", `run.built = "some"`, `what is built from sources is no, pure or all, not "some"`},
		{"gc", "--keep", "0", "gc.keep = 0", "0 is less than 1"},
		{"gc", "--older-than", "14", `gc.older_than = "14"`, `"14" is not an age: write it as 2w, 14d or 36h`},
	} {
		var args []string
		if tc.command == "check" {
			args = []string{"lock"}
		}
		_, byFlag := configured(t, t.TempDir(), "", append([]string{tc.command, tc.flag, tc.value}, args...)...)
		_, byFile := configured(t, t.TempDir(), tc.file, append([]string{tc.command}, args...)...)
		for name, err := range map[string]error{tc.flag: byFlag, tc.file: byFile} {
			if exitCode(err) != exitUsage || !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", name, err, tc.text)
			}
		}
		var out bytes.Buffer
		if report(&out, &out, false, byFlag); !strings.Contains(out.String(), tc.flag) || !strings.Contains(out.String(), "\nhint: ") {
			t.Errorf("%s: said %q", tc.flag, out.String())
		}
	}
}

// A budget says how far a ranking is read, where nobody says; layers are told by a word, or by
// true and false.
func TestSettingsOfABudget(t *testing.T) {
	t.Setenv("LARDER_STORE", "")
	for _, c := range []struct{ file, want string }{
		{"", "top = 1000"}, {"[rank]\nbudget = \"1GB\"\n", "top = 1000"}, {"[rank]\nbudget = \"5GB\"\n", "top = 5000"},
		{"[rank]\nbudget = \"20GB\"\ntop = 300\n", "top = 300"},
		{"", "layers = 'auto'"}, {"[build]\nlayers = true\n", "layers = 'all'"}, {"[build]\nlayers = false\n", "layers = 'none'"}, {"[build]\nlayers = \"all\"\n", "layers = 'all'"},
	} {
		if out, err := configured(t, t.TempDir(), c.file, "config"); err != nil || !strings.Contains(out, c.want+"  #") {
			t.Errorf("%q: no %s: %v\n%s", c.file, c.want, err, out)
		}
	}
}

// What larder config prints is what a command goes by, and a file that says the same.
func TestConfigCommand(t *testing.T) {
	t.Setenv("LARDER_STORE", "")
	store := t.TempDir()
	text := "[gc]\nkeep = 5\n[rank]\nbudget = \"20GB\"\n[profile.ml]\nviews = [\"pip\"]\n"
	out, err := configured(t, store, text, "config")
	file := ""
	for _, line := range []string{"store = '" + store + "'  # --store", "keep = 5  # FILE:2", "budget = '20GB'  # FILE:4", "timeout = '6h0m0s'  # default",
		"[profile.ml]", "[profile.default]", "# files downloaded at once, 1 to 64", "views = ['pip']  # FILE:6"} {
		at := strings.Index(out, "/config.toml:")
		if at < 0 {
			t.Fatalf("%v: no file in\n%s", err, out)
		}
		file = out[strings.LastIndex(out[:at], " ")+1:at] + "/config.toml"
		if line = strings.ReplaceAll(line, "FILE", file); err != nil || !strings.Contains(out, "\n"+line+"\n") {
			t.Errorf("%v: no line %s in\n%s", err, line, out)
		}
	}
	again, err := configured(t, store, out, "config")
	values := func(text string) (kept []string) {
		for line := range strings.Lines(text) {
			if line, _, _ = strings.Cut(line, "  # "); !strings.HasPrefix(line, "#") {
				kept = append(kept, line)
			}
		}
		return kept
	}
	if err != nil || !slices.Equal(values(again), values(out)) {
		t.Errorf("%v: read back:\n%s", err, again)
	}
	var doc struct {
		Keys map[string]configKey `json:"keys"`
	}
	out, err = configured(t, store, text, "config", "--json")
	if err != nil || json.Unmarshal([]byte(out), &doc) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for key, want := range map[string]configKey{"gc.keep": {float64(5), "file", "", ""}, "gc.older_than": {"0s", "default", "", ""}, "store": {store, "flag", "--store", ""}} {
		if got := doc.Keys[key]; got.Value != want.Value || got.Source != want.Source || want.From != "" && got.From != want.From || got.Meaning == "" {
			t.Errorf("%s: %+v, want %+v", key, got, want)
		}
	}
	if from := doc.Keys["profile.ml.views"].From; !strings.HasSuffix(from, "/config.toml:6") {
		t.Errorf("profile.ml.views is from %q", from)
	}
	t.Setenv("LARDER_STORE", store)
	if out, err := larderAlone(t, "config", "--json"); err != nil || !strings.Contains(out, `"from": "LARDER_STORE"`) {
		t.Errorf("%v\n%s", err, out)
	}
	// Nothing is without a meaning, set or not.
	for _, key := range configKeys(t) {
		if config.Meaning(key) == "" || doc.Keys[key].Meaning == "" {
			t.Errorf("%s has no meaning, or is not printed", key)
		}
	}
	for key, k := range doc.Keys {
		if k.Meaning == "" {
			t.Errorf("%s has no meaning", key)
		}
	}
	for _, bad := range [][]string{{"config", "gc"}, {"config", "--keep", "3"}} {
		if _, err := configured(t, store, text, bad...); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// larderAlone runs a command line as it is.
func larderAlone(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	err := app.RunContext(t.Context(), append([]string{"larder"}, args...))
	return out.String(), err
}

// A flag after a command's arguments is found, whatever a global flag's value is called.
func TestHoistFlags(t *testing.T) {
	for _, tc := range [][2]string{
		{"show numpy --json", "show --json numpy"},
		{"--config config --store build gc --keep 3", "--config config --store build gc --keep 3"},
		{"--config=config diff a b --files", "--config=config diff --files a b"},
		{"run -- ls --json", "run -- ls --json"},
		{"--store", "--store"},
		{"nothing --json", "nothing --json"},
	} {
		args := append([]string{"larder"}, strings.Fields(tc[0])...)
		if got := strings.Join(hoistFlags(newApp(), args)[1:], " "); got != tc[1] {
			t.Errorf("%s: got %s, want %s", tc[0], got, tc[1])
		}
	}
}
