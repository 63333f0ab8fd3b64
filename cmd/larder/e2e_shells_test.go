package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each shell completes what is typed before a tab: what is run then is the whole command.
func TestE2ECompletion(t *testing.T) {
	needE2E(t)
	p := newProgram(t)
	path := "PATH=" + filepath.Dir(p.bin) + ":/usr/local/bin:/usr/bin:/bin"
	run := filepath.Join(t.TempDir(), "run") // what a tab must not do
	typed := "larder versi\t\nlarder versi\t--js\t\nlarder ls --store=/nowhere/a pr\t\ntrue\nlarder ls $(touch " + run + ") cur\t\x15exit\n"
	want := regexp.MustCompile(`(?s)larder \S+ \(go.*"store_format": .*no store at "/nowhere/a"`)
	for name, shell := range map[string]struct{ start, load string }{
		"bash": {"bash --norc --noprofile -i", "source <(larder completion bash)\n"},
		"zsh":  {"zsh -f -i", "autoload -U compinit; compinit -D -u\nsource <(larder completion zsh)\n"},
	} {
		// script(1) gives the shell a terminal, without which none completes.
		cmd := exec.Command("script", "-qec", shell.start, "/dev/null")
		cmd.Env = append(p.env, path, "TERM=dumb")
		cmd.Stdin = strings.NewReader(shell.load + typed)
		out, err := cmd.CombinedOutput()
		if err != nil || !want.Match(out) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if _, err := os.Stat(run); err == nil {
			t.Errorf("%s: what was typed was run\n%s", name, out)
		}
	}
	cmd := exec.Command("fish", "--no-config", "-c", `larder completion fish | source
		complete -C "larder buil"; complete -C "larder build --view=pip-o"; complete -C "larder build --lock /etc/passw"; complete -C "larder use pr"`)
	cmd.Env = append(p.env, path)
	out, err := cmd.CombinedOutput()
	if want := "build\trank, fetch, check, seal and publish a snapshot\n--view=pip-old\n/etc/passwd\n"; err != nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), "previous\n") {
		t.Errorf("fish: %v\n%s", err, out)
	}
}
