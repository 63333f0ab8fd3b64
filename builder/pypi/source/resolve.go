package source

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi/pep508"
)

//go:embed pip.py
var runPip string

// pipTime bounds one resolution; a resolver that goes back through many versions takes minutes.
const pipTime = 10 * time.Minute

// tooOld is how pip.py ends where there is no pip that can report.
const tooOld = 90

// report is pip's installation report (its format 1, from pip 22.2 on), as far as it is read.
type report struct {
	Install []struct {
		Download struct {
			URL     string `json:"url"`
			Archive struct {
				Hash   string            `json:"hash"` // before 23.0: sha256=…
				Hashes map[string]string `json:"hashes"`
			} `json:"archive_info"`
		} `json:"download_info"`
		Metadata struct {
			Version string `json:"version"`
		} `json:"metadata"`
	} `json:"install"`
}

// resolve has pip choose the wheels of requirements, under constraints. What it is configured for
// stays in force, but for --find-links by the environment, since what is there is on no index, and for
// what is about installing. A *Failure says that there are none.
func (b *Builder) resolve(ctx context.Context, requires, constraints []string) ([]Dependency, error) {
	if len(requires) == 0 {
		return nil, nil
	}
	key := strings.Join(requires, "\n") + "\n\n" + strings.Join(constraints, "\n")
	return b.resolved.do(key, func() ([]Dependency, error) {
		dir, err := os.MkdirTemp(b.dir, "pip-*")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		text, err := b.askPip(ctx, dir, requires, constraints)
		if err != nil {
			return nil, err
		}
		return readReport(text)
	})
}

func (b *Builder) askPip(ctx context.Context, dir string, requires, constraints []string) ([]byte, error) {
	if err := os.WriteFile(filepath.Join(dir, "constraints.txt"), []byte(strings.Join(constraints, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	call, cancel := context.WithTimeout(ctx, pipTime)
	defer cancel()
	python := b.cfg.Interpreter.Executable
	args := []string{"-I", "-c", index.Bundled + runPip, "install", "--dry-run", "--quiet", "--ignore-installed", "--no-input",
		"--disable-pip-version-check", "--only-binary", ":all:", "--report", "report.json", "--log", "log.txt", "-c", "constraints.txt", "--"}
	cmd := exec.CommandContext(call, python, append(args, requires...)...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PIP_FIND_LINKS=") || strings.HasPrefix(v, "PIP_PYTHON=")
	}), "PIP_REQUIRE_VIRTUALENV=false", "PIP_REQUIRE_HASHES=false", "PIP_USER=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return os.ReadFile(filepath.Join(dir, "report.json"))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case call.Err() != nil:
		return nil, fmt.Errorf("pip of %s did not choose what builds a source within %s", python, pipTime)
	case !errors.As(err, &exit):
		return nil, fmt.Errorf("start %s: %w", python, err)
	case exit.ExitCode() == tooOld:
		return nil, builder.WithHint(fmt.Errorf("%s has no pip that can choose what builds a source", python), "install pip 22.2 or newer for it")
	}
	log, err := os.ReadFile(filepath.Join(dir, "log.txt"))
	if err != nil {
		log = nil // it failed before it wrote any
	}
	return nil, pipFailed(python, stderr.String(), string(log))
}

// What pip says. Of an index that does not answer, its log alone tells, as of one without the project.
var (
	noAnswer = regexp.MustCompile(`HTTP error|HTTPS?ConnectionPool|ReadTimeoutError|ProxyError|SSLError`)
	noPage   = regexp.MustCompile(`Could not fetch URL .*`)
	noSuch   = regexp.MustCompile(`: 4(04|10) Client Error`)
	noResult = regexp.MustCompile(`No matching distribution found|ResolutionImpossible|conflicting dependencies|requires a different Python|Invalid requirement`)
	userinfo = regexp.MustCompile(`//[^/\s'"]*@`)
)

// pipFailed tells what the index has not from an index that is silent.
func pipFailed(python, said, log string) error {
	detail, silent := "it said nothing", noAnswer.MatchString(said)
	for text := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(text), "ERROR: "); ok {
			detail = text
		}
	}
	for _, text := range noPage.FindAllString(log, -1) {
		if !noSuch.MatchString(text) {
			detail, silent = text, true
		}
	}
	detail = line(userinfo.ReplaceAllString(detail, "//…@"))
	switch {
	case silent:
		return builder.Silence(fmt.Errorf("pip of %s: %s", python, detail))
	case noResult.MatchString(said):
		return fail(MissingRequirement, "%s", detail)
	}
	return fmt.Errorf("pip of %s: %s", python, detail)
}

// readReport lists what pip chose.
func readReport(text []byte) ([]Dependency, error) {
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read pip's report: %w", err)
	}
	all := make([]Dependency, 0, len(r.Install))
	for _, it := range r.Install {
		u, err := url.Parse(it.Download.URL)
		if err != nil {
			return nil, errors.New("read pip's report: an address cannot be read") // the error would quote a password
		}
		name, err := wheel.ParseName(path.Base(u.Path))
		if err != nil {
			return nil, fmt.Errorf("read pip's report: %w", err)
		}
		sum := it.Download.Archive.Hashes["sha256"]
		if sum == "" {
			sum = strings.TrimPrefix(it.Download.Archive.Hash, "sha256=")
		}
		d := Dependency{Project: pep508.Normalize(name.Project), Version: it.Metadata.Version, Filename: path.Base(u.Path)}
		if d.SHA256, err = snapshot.ParseDigest(sum); err != nil {
			return nil, fail(MissingRequirement, "the index publishes no SHA-256 for %s", d.Filename)
		}
		if u.Scheme == "http" || u.Scheme == "https" {
			u.User, u.RawQuery, u.Fragment = nil, "", ""
			d.URL = u.String()
		}
		all = append(all, d)
	}
	sortDependencies(all)
	return all, nil
}
