package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Resolver runs uv. Its environment says where the index is.
type Resolver struct {
	UV       string // executable
	Cache    string // directory of resolutions
	Python   string // version, such as 3.11
	Platform string // as uv calls it, such as x86_64-manylinux_2_36
	Env      []string
}

// Platform is uv's name for the platform of a target such as
// cp311-manylinux_2_36_x86_64, if it has one.
func Platform(target string) (string, bool) {
	_, platform, _ := strings.Cut(target, "-")
	libc, version, _ := strings.Cut(platform, "_")
	parts := strings.SplitN(version, "_", 3)
	switch {
	case len(parts) == 3 && libc == "manylinux":
		return parts[2] + "-manylinux_" + parts[0] + "_" + parts[1], true
	case len(parts) == 3 && libc == "musllinux":
		return parts[2] + "-unknown-linux-musl", true
	}
	return "", false
}

// Resolution is what uv made of a set.
type Resolution struct {
	Lock    string   `json:"-"`       // path of a pylock.toml; empty when there is no resolution
	Dropped []string `json:"dropped"` // direct requirements that have no wheel
	Failed  string   `json:"failed"`  // why there is none, in one line
	// Needs is who needs what, as requirements: uv knows it of wheels, too, that have no
	// metadata beside them on the index.
	Needs map[string][]string `json:"-"`
}

// maxDropped bounds the tries: each drops at least one requirement.
const maxDropped = 25

// Resolve resolves one set, or finds it resolved. An error means that uv could not
// be run or the index not be asked; that there is no solution is in the Resolution.
func (r Resolver) Resolve(ctx context.Context, s Set) (Resolution, error) {
	base := filepath.Join(r.Cache, r.key(s))
	lock, state := base+"/pylock.toml", base+"/state.json"
	var res Resolution
	if b, err := os.ReadFile(state); err == nil && json.Unmarshal(b, &res) == nil {
		if res.Failed != "" {
			return res, nil
		}
		if _, err := os.Stat(lock); err == nil {
			res.Lock = lock
			left := slices.DeleteFunc(slices.Clone(s.Requirements), func(line string) bool { return slices.Contains(res.Dropped, line) })
			res.Needs, err = r.needs(ctx, base+"/needs.txt", left)
			return res, err
		}
	}
	res = Resolution{Dropped: []string{}}
	requirements := slices.Clone(s.Requirements)
	for {
		out, text, err := r.compile(ctx, requirements, "--format", "pylock.toml", "--no-annotate")
		if err == nil {
			if err := write(lock, out); err != nil {
				return res, err
			}
			res.Lock = lock
			if res.Needs, err = r.needs(ctx, base+"/needs.txt", requirements); err != nil {
				return res, err
			}
			break
		}
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return res, fmt.Errorf("resolve %s: %w", s.ID, err)
		}
		if !strings.Contains(text, "No solution found") && !strings.Contains(text, "no wheels") {
			return res, &popularity.Failure{Kind: popularity.ErrUnreachable, Source: s.ID, Text: "uv: " + oneLine(text), Advice: "run it again: what is resolved stays resolved"}
		}
		var less []string
		less, dropped := drop(requirements, text)
		if len(dropped) == 0 || len(less) == 0 || len(res.Dropped) > maxDropped {
			res.Failed = oneLine(text)
			break
		}
		requirements, res.Dropped = less, append(res.Dropped, dropped...)
	}
	b, err := json.Marshal(res)
	if err == nil {
		err = write(state, b)
	}
	return res, err
}

// key names a resolution by all that decides it but the index.
func (r Resolver) key(s Set) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Concat([]string{"uv pip compile 1", r.Python, r.Platform}, s.Requirements), "\n")))
	return hex.EncodeToString(sum[:12])
}

func (r Resolver) compile(ctx context.Context, requirements []string, more ...string) (out []byte, text string, err error) {
	cmd := exec.CommandContext(ctx, r.UV, append([]string{"pip", "compile", "-", "--only-binary", ":all:", "--no-config",
		"--no-header", "--quiet", "--python-version", r.Python, "--python-platform", r.Platform}, more...)...)
	cmd.Stdin = strings.NewReader(strings.Join(requirements, "\n") + "\n")
	cmd.Env = r.Env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.Bytes(), stderr.String(), err
}

// needs reads who needs what from uv's notes, which are kept at path.
func (r Resolver) needs(ctx context.Context, path string, requirements []string) (map[string][]string, error) {
	out, err := os.ReadFile(path)
	if err != nil {
		if out, _, err = r.compile(ctx, requirements); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, nil // it could be resolved just now: nothing depends on these notes
		}
		if err := write(path, out); err != nil {
			return nil, err
		}
	}
	return parseNeeds(out), nil
}

// parseNeeds reads blocks of a requirement and notes: "# via a" in one line, or
// "# via" and a name a line below. What others need is named at the version that the resolver
// picked, which is the one that they ask for or the newest; but where the set asks for it
// too, "-r -" among the notes, the version may be the set's own choice, and is left out.
func parseNeeds(out []byte) map[string][]string {
	needs := map[string][]string{}
	var needed block
	for _, line := range strings.Split(string(out), "\n") {
		note, isNote := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !isNote {
			needed.addTo(needs)
			needed = block{line: line}
			continue
		}
		note = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(note), "via"))
		if by, ok := (pypi.Names{}).Project(note); ok {
			needed.by = append(needed.by, by)
		} else if strings.HasPrefix(note, "-r") {
			needed.asked = true
		}
	}
	needed.addTo(needs)
	return needs
}

// block is a requirement of uv's output, who needs it, and whether the set asks for it.
type block struct {
	line  string
	by    []string
	asked bool
}

func (b block) addTo(needs map[string][]string) {
	project, ok := (pypi.Names{}).Project(nameOf(b.line))
	if !ok {
		return
	}
	requirement := project
	if _, version, pinned := strings.Cut(b.line, "=="); pinned && !b.asked {
		version, _, _ = strings.Cut(version, ";")
		requirement += "==" + strings.TrimSpace(version)
	}
	for _, by := range b.by {
		needs[by] = append(needs[by], requirement)
	}
}

// What uv says of a project that it could only build.
var noWheel = regexp.MustCompile("(?:Wheels are required for `|Because |and )([A-Za-z0-9][A-Za-z0-9._-]*)(?:`|[=<>~!][^ ]* has no (?:usable )?wheels| has no (?:usable )?wheels)")

// drop takes out the direct requirements that uv says have no wheel.
func drop(requirements []string, text string) (left, dropped []string) {
	gone := map[string]bool{}
	for _, m := range noWheel.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
		name, _ := (pypi.Names{}).Project(m[1])
		gone[name] = true
	}
	for _, r := range requirements {
		if name, ok := (pypi.Names{}).Project(nameOf(r)); ok && gone[name] {
			dropped = append(dropped, r)
		} else {
			left = append(left, r)
		}
	}
	return left, dropped
}

// nameOf is the name a requirement begins with.
func nameOf(r string) string {
	r = strings.TrimLeft(r, " ")
	if i := strings.IndexFunc(r, func(c rune) bool { return !strings.ContainsRune("._-", c) && (c > 0x7f || !isLetterOrDigit(byte(c))) }); i >= 0 {
		r = r[:i]
	}
	return strings.TrimRight(r, "._-")
}

// oneLine is the beginning of what a program said.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// write puts a file in place, and makes its directory.
func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return snapshot.WriteFile(path, b, 0o600)
}
