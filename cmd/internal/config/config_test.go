package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
	"larder/snapshot/pypi"
)

func init() {
	ecosystem.Register(pypi.Ecosystem)
	ecosystem.Register(ecosystem.Ecosystem{Name: "npm", Names: npm.Names{}})
	ecosystem.Register(ecosystem.Ecosystem{Name: "unranked"})
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each bad file is one line that says where and what.
func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown top", "\nstor = \"/x\"\n", `line 2: unknown key "stor"; did you mean store?`},
		{"unknown in section", "[build]\njob = 3\n", `line 2: unknown key "build.job"; did you mean build.jobs?`},
		{"wrong section", "[build]\ntop = 3\n", `line 2: unknown key "build.top"; did you mean rank.top?`},
		{"unknown in profile", "[profile.ci]\n# ci\nveiws = []\n", `line 3: unknown key "profile.ci.veiws"; did you mean profile.NAME.views?`},
		{"unknown section", "[gcc]\nkeep = 1\n", `did you mean gc`},
		{"nothing near", "zzzzzzzzzzzzzzzzzzzz = 1\n", `unknown key "zzzzzzzzzzzzzzzzzzzz"`},
		{"wrong type", "[gc]\nkeep = \"three\"\n", "line 2: gc.keep: string where a number is wanted"},
		{"wrong list", "[build]\nviews = \"pip\"\n", "line 2: build.views: string where a list is wanted"},
		{"not toml", "store = \n", "line 1"},
		{"twice", "store = \"/a\"\nstore = \"/b\"\n", "line 2"},
		{"binary", "\x00\x01\xff", "line 1"},
		{"bad size", "[rank]\nbudget = \"many\"\n", "line 2"},
		{"keep nothing", "[gc]\nkeep = 0\n", "gc.keep: 0 is less than 1"},
		{"negative jobs", "[build]\njobs = -1\n", "build.jobs: -1 is not between 1 and 64"},
		{"many jobs", "[build]\njobs = 65\n", "build.jobs: 65 is not between 1 and 64"},
		{"no project", "[rank]\ntop = 0\n", "rank.top: 0 is less than 1"},
		{"no package", "\n[rank.ecosystem.npm]\ntop = 0\n", "line 3: rank.ecosystem.npm.top: 0 is less than 1"},
		{"no byte of npm", "[rank.ecosystem.npm]\nbudget = \"0\"\n", "line 2: rank.ecosystem.npm.budget: 0 stocks nothing"},
		{"unknown of npm", "[rank.ecosystem.npm]\ninclud = []\n", `line 2: unknown key "rank.ecosystem.npm.includ"; did you mean rank.ecosystem.NAME.include?`},
		{"weight of npm", "[rank.ecosystem.npm]\nweight = {misses = 2}\n", `line 2: unknown key "rank.ecosystem.npm.weight`},
		{"ecosystem of the first", "[rank.ecosystem.pypi]\ntop = 5\n", "line 1: rank.ecosystem.pypi: what is wanted of pypi stands in [rank] itself"},
		{"no ecosystem", "[rank.ecosystem.npmm]\ntop = 5\n", `line 1: rank.ecosystem.npmm: no ecosystem that is ranked is called "npmm"; did you mean npm?`},
		{"ecosystem without names", "[rank.ecosystem.unranked]\n", `rank.ecosystem.unranked: no ecosystem that is ranked is called "unranked"`},
		{"no byte", "[rank]\nbudget = \"0\"\n", "rank.budget: 0 stocks nothing"},
		{"view of a profile", "[profile.x]\nviews = [\"pip\", \"pipp\"]\n", `profile.x.views: no view "pipp"; did you mean pip?`},
		{"view of run", "[run]\nviews = [\"pip-odl\"]\n", `run.views: no view "pip-odl"; did you mean pip-old?`},
		{"view of build", "[build]\nviews = [\"npm\"]\n", `build.views: no view "npm"`},
		{"relative store", "store = \"var\"\n", "store: \"var\" is not an absolute path"},
		{"root store", "store = \"/\"\n", "store: \"/\" is the root"},
		{"missing word", "[run]\nmissing = \"perhaps\"\n", `run.missing: "perhaps" is none of warn, fail, pip`},
		{"built word", "[profile.x]\nbuilt = \"some\"\n", `line 2: profile.x.built: what is built from sources is no, pure or all, not "some"`},
		{"built of another type", "[run]\nbuilt = true\n", `what is built from sources is no, pure or all, not "true"`},
		{"view that is not trusted", "[run]\nbuilt = \"no\"\nviews = [\"pip-built\"]\n", "line 3: run.views: view pip-built has what was built from sources, and built is no"},
		{"view that is not trusted by default", "[profile.x]\nviews = [\"wheels\", \"pip-built-native\"]\n", "line 2: profile.x.views: view pip-built-native has what was built from sources, and built is pure"},
		{"hook has no pip", "[profile.x]\nmissing = \"pip\"\n", `profile.x.missing: "pip" is none of warn, fail`},
		{"profile name", "[profile.\"../x\"]\n", `profile "../x": a name is`},
		{"relative root", "[build]\nsdists_root = \"root\"\n", `build.sdists_root: "root" is not an absolute path`},
		{"root of the host", "[build]\nsdists_root = \"/\"\n", `build.sdists_root: "/" is the root`},
		{"no library", "[build]\nsdists_libraries = [\"libpq\"]\n", `build.sdists_libraries: "libpq" is no name of a shared library`},
		{"library's path", "[build]\nsdists_libraries = [\"/usr/lib/libpq.so.5\"]\n", `build.sdists_libraries: "/usr/lib/libpq.so.5" is no name`},
		{"view relative", "[profile.x]\nview = \"mnt\"\n", `profile.x.view: "mnt" is not an absolute path`},
		{"view root", "[profile.x]\nview = \"/./\"\n", `profile.x.view: "/./" is the root`},
		{"mount point dots", "[profile.x]\nmount_points = {pip = \"/a/../b\"}\n", `profile.x.mount_points.pip: "/a/../b" has a .. in it`},
		{"mount point client", "[profile.x]\nmount_points = {pipp = \"/a\"}\n", `no client "pipp"; did you mean pip?`},
		{"lock relative", "[profile.x]\nlock = \"a.lock\"\n", `profile.x.lock: "a.lock" is not an absolute path`},
		{"a list of names by another key", "[rank]\n\nallow = [\"x\"]\n", `line 3: unknown key "rank.allow"; did you mean rank.include?`},
		{"a pin elsewhere", "[build]\npin = [\"x==1\"]\n", `did you mean rank.pin?`},
		{"the line of a value", "[gc]\n# so few\nkeep = 0\n", "line 3: gc.keep: 0 is less than 1"},
		{"the line in a profile", "[profile.x]\n\nviews = [\"pip\", \"pipp\"]\n", "line 3: profile.x.views: no view"},
		{"large", strings.Repeat("#", maxSize+1), "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, tc.text)
			_, err := Load(path)
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("error %v is not ErrConfig", err)
			}
			if msg := err.Error(); !strings.Contains(msg, tc.want) || strings.Contains(msg, "\n") || !strings.Contains(msg, path) {
				t.Errorf("error %q, want one line with the path and %q", msg, tc.want)
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent.toml")
	if _, err := Load(absent); !errors.Is(err, ErrConfig) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is missing: %v", err)
	}
	c, err := load("", absent)
	if err != nil || c.Store != DefaultStore || c.GC.Keep != 3 {
		t.Errorf("no file at the default path: %+v, %v", c, err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(fifo); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a fifo: %v", err)
	}
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		path := write(t, "")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "lets others write it") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func TestTrustedOwner(t *testing.T) {
	info, err := os.Stat(write(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	st := *info.Sys().(*syscall.Stat_t)
	for _, tc := range []struct {
		owner, euid, outside uint32
		want                 string
	}{
		{0, 0, 0, ""}, {0, 1000, 0, ""}, {1000, 1000, 0, ""}, {1000, 0, 0, "chown it to root"}, {1001, 1000, 0, "chown it to root"},
		// In a rootless engine's user namespace nobody can chown what is outside it.
		{65534, 0, 65534, "name a file of the engine's user with --config"}, {0, 0, 65534, ""}, {65534, 0, 0, "chown it to root"},
	} {
		st.Uid = tc.owner
		err := trusted(owned{info, &st}, tc.euid, tc.outside)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("owner %d read by %d: %v, want %q", tc.owner, tc.euid, err, tc.want)
		}
	}
}

type owned struct {
	os.FileInfo
	st *syscall.Stat_t
}

func (o owned) Sys() any { return o.st }

// The example of the package comment is a file that loads.
func TestDocExampleLoads(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.SplitSeq(string(doc), "\n") {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(text + "\n")
		}
	}
	c, err := Load(write(t, example.String()))
	if err != nil {
		t.Fatal(err)
	}
	if *c.Rank.Budget != 50e9 || time.Duration(c.GC.OlderThan) != 14*24*time.Hour || c.Build.Jobs != 16 {
		t.Errorf("read %+v", c)
	}
	p, err := c.For("")
	if err != nil || p.MountPoints["pip"] != "/cache/pip" || p.ReadOnlyView() != DefaultView {
		t.Errorf("profile %+v, %v", p, err)
	}
}

func TestProfiles(t *testing.T) {
	c, err := Load(write(t, `
[profile.ml]
requestable = true
view = ""
[profile.private]
built = "no"
allow_container_lock = true
`))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := c.For(""); err != nil || p.ReadOnlyView() != DefaultView || p.Snapshot != "current" || p.Missing != "warn" || *p.Built != snapshot.PureBuilt || len(p.Views) != 2 {
		t.Errorf("the default profile, not written down: %+v, %v", p, err)
	}
	if p, err := c.For("private"); err != nil || *p.Built != snapshot.NoBuilt {
		t.Errorf("built: %+v, %v", p, err)
	}
	if p, err := c.For("ml"); err != nil || p.ReadOnlyView() != "" {
		t.Errorf("no view: %+v, %v", p, err)
	}
	if _, err := c.For("mll"); err == nil || !strings.Contains(err.Error(), `no profile "mll"; did you mean ml?`) {
		t.Errorf("unknown profile: %v", err)
	}
	if _, err := c.Requested("ml"); err != nil {
		t.Errorf("requestable: %v", err)
	}
	for _, name := range []string{"private", "default", "none", "", "../ml", "ML", "-x", "a b", strings.Repeat("a", 65), "ml\n"} {
		if _, err := c.Requested(name); !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") {
			t.Errorf("a container gets %q: %v", name, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]Size{"0": 0, "17": 17, "50GB": 50e9, "50 GB": 50e9, "1.5GiB": 3 << 29, "800M": 800e6, "2k": 2000, "2KiB": 2048, "1TB": 1e12} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "GB", "-1GB", "1XB", "1i", "1e30TB", "nan", "inf", "1 2 GB", "9999999TB", "GB50"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q: accepted as %d", in, got)
		}
	}
}

func TestParseAge(t *testing.T) {
	for in, want := range map[string]time.Duration{"14d": 336 * time.Hour, "36h": 36 * time.Hour, "0s": 0, "90m": 90 * time.Minute,
		"12h": 12 * time.Hour, "30d": 720 * time.Hour, "2w": 336 * time.Hour, "0h": 0} {
		if got, err := ParseAge(in); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v", in, time.Duration(got), err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "-3h", "99999d", "65535w", "1.5w", "w", "-1w", "soon", "7"} {
		if got, err := ParseAge(in); err == nil {
			t.Errorf("%q: accepted as %v", in, time.Duration(got))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("store = \"/s\"\n[profile.a]\nviews = []\n"))
	f.Add([]byte("[gc]\nkeep = 0x3\nolder_than = \"1d\"\n"))
	f.Add([]byte("profile = 3"))
	f.Add([]byte("[profile]\na.b.c = 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		if c.GC.Keep < 1 || !strings.HasPrefix(c.Store, "/") {
			t.Errorf("accepted %+v", c)
		}
	})
}

// The sources of a ranking: what is written is what is read, and what cannot mean
// anything is told with its key.
func TestRankSources(t *testing.T) {
	c, err := parse([]byte(`
metrics = "/var/lib/metrics/larder.prom"
[rank]
include = ["a"]
exclude = ["b*"]
pin = ["c==1"]
weight = { misses = 3 }
clickhouse = { endpoint = "https://clickhouse.example/", days = 7 }
[[rank.source]]
name = "fleet"
weight = 2
ranking = ["/srv/fleet.csv"]
`))
	if err != nil || c.Rank.Weight != (Weight{Rankings: 1, Misses: 3, ClickHouse: 1}) || c.Rank.ClickHouse.Days != 7 || c.Rank.Source[0].Weight != 2 || c.Rank.Exclude[0] != "b*" || c.Metrics == "" {
		t.Errorf("%+v, %v", c.Rank, err)
	}
	for text, want := range map[string]string{
		"rank.weight.misses = -1":                                       "rank.weight.misses: -1 is not between",
		"rank.weight.misses = nan":                                      "rank.weight.misses: NaN is not between",
		"rank.weight = {rankings = 0, misses = 0, clickhouse = 0}":      "all weights are 0",
		"rank.budget = \"5GiGB\"":                                       "units are",
		"rank.budget = \"lots\"":                                        "not a size",
		"rank.wieght.misses = 1":                                        "did you mean rank.weight",
		"[[rank.source]]\nweight = 1":                                   "rank.source 1: it needs a name",
		"[[rank.source]]\nname = 'x'\nranking = ['y']\nweight = -2":     "rank.source 1: weight: -2",
		"[[rank.source]]\nname = 'x'\nrankings = ['y']":                 "did you mean rank.source.ranking",
		"metrics = \"relative\"":                                        "metrics: ",
		"[rank.clickhouse]\nendpiont = \"https://clickhouse.example/\"": "did you mean rank.clickhouse.endpoint",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What a file leaves out and what it says comes back from its own text.
func TestTOMLRoundTrip(t *testing.T) {
	for _, text := range []string{"", "[rank]\nbudget = \"1.5GB\"\n[gc]\nolder_than = \"36h\"\n[build]\ntimeout = \"14d\"\n[profile.x]\nview = \"\"\nupper_limit = \"7KiB\"\n[[rank.source]]\nname = \"fleet\"\nranking = [\"/f\"]\n"} {
		c, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.TOML()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parse(out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		again, err := back.TOML()
		if err != nil || string(again) != string(out) {
			t.Errorf("%v: got\n%s\nfrom\n%s", err, again, out)
		}
		back.Profile, c.Profile = nil, nil
		if got, want := fmt.Sprintf("%+v", back), fmt.Sprintf("%+v", c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Every key and every value of a list has the line where it stands.
func TestLines(t *testing.T) {
	f, err := Open(write(t, `# ours
store = "/s"
[rank]
include = [
  "one", # the first
  "two",
]
clickhouse = { endpoint = "https://clickhouse.example/", days = 7 }
weight.misses = 3
[[rank.source]]
name = "fleet"
ranking = ["/f"]
[profile."ml"]
views = ["pip"]
`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"store": 2, "rank.include": 4, "rank.include.0": 5, "rank.include.1": 6, "rank.clickhouse.days": 8,
		"rank.weight.misses": 9, "rank.source.0.name": 11, "profile.ml.views": 14, "gc.keep": 0} {
		if got := f.Line(key); got != want {
			t.Errorf("%s: line %d, want %d", key, got, want)
		}
	}
	if f.Where("store") != f.Path+":2" || f.Where("gc.keep") != "" {
		t.Errorf("where: %q, %q", f.Where("store"), f.Where("gc.keep"))
	}
}

// Which namespace may ask for which profile is the operator's list; nothing is on it by itself.
func TestRequestedBy(t *testing.T) {
	c := Default()
	c.Profile = map[string]Profile{"ml": {Namespaces: []string{"ci", "team-*"}}, "all": {Namespaces: []string{"*"}}, "hooks": {Requestable: true}}
	for _, tc := range []struct {
		namespace, name string
		ok              bool
	}{
		{"ci", "ml", true}, {"team-a", "ml", true}, {"team-", "ml", true}, {"ci2", "ml", false}, {"team", "ml", false}, {"", "ml", false}, {"CI", "ml", false}, {"team-*", "ml", true},
		{"anything", "all", true}, {"", "all", false}, {"ci", "hooks", false}, {"ci", "default", false}, {"ci", "", false}, {"ci", "none", false},
		{"ci", "../ml", false}, {"ci", strings.Repeat("m", 1<<20), false}, {strings.Repeat("c", 1<<20), "ml", false},
	} {
		p, err := c.RequestedBy(tc.namespace, tc.name)
		if (err == nil) != tc.ok || err != nil && (!errors.Is(err, ErrConfig) || len(err.Error()) > 300) || err == nil && p.Snapshot != "current" {
			t.Errorf("%.20q of %.20q: %v", tc.name, tc.namespace, err)
		}
	}
	for namespace, ok := range map[string]bool{"ci": true, "*": true, "a-b*": true, "a-*": true, "": false, "A": false, "a b": false, "-a": false, "a-": false, "*a": false, "a*b": false, strings.Repeat("a", 64): false} {
		if validNamespace(namespace) != ok {
			t.Errorf("%q: %v", namespace, !ok)
		}
	}
	path := write(t, "[profile.ml]\nnamespaces = [\"Team A\"]\n")
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), `profile.ml.namespaces: "Team A" is no namespace`) {
		t.Errorf("%v", err)
	}
}

// Each ecosystem has its own top and budget; what its table leaves out is the default, and nothing of the first.
func TestRankOfEcosystems(t *testing.T) {
	c, err := Load(write(t, "[rank]\ntop = 7\nbudget = \"5GB\"\n[rank.ecosystem.npm]\nranking = [\"/l\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Wanted{"": {Top: 7, Budget: c.Rank.Budget}, "npm": {Top: 1000, Ranking: []string{"/l"}}, "other": {Top: 1000}} {
		if got := c.Rank.Of(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v", name, got)
		}
	}
	if c.Rank.Want("other").Top = 3; c.Rank.Of("other").Top != 3 || RankTable("other") != "rank.ecosystem.other" {
		t.Errorf("%+v", c.Rank)
	}
	delete(c.Rank.Ecosystem, "other")
	text, err := c.TOML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Load(write(t, string(text))); err != nil || again.Rank.Of("npm").Top != 1000 || len(again.Rank.Of("npm").Ranking) != 1 || *again.Rank.Budget != 5e9 {
		t.Errorf("%+v, %v of\n%s", again.Rank, err, text)
	}
}
