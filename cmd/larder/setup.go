package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"larder/snapshot"
)

func setupCommand() *cli.Command {
	return &cli.Command{
		Name:  "setup",
		Usage: "write what this host needs to run larder by itself",
		Subcommands: []*cli.Command{{
			Name:  "timer",
			Usage: "write systemd units: a build a week, what is left behind each hour, mounts at boot",
			Description: "Prints what it wrote and how to switch it on. With --cron nothing is written: lines\n" +
				"for root's crontab are printed. Two builds never run at once: the second exits 5. When\n" +
				"the index fails half-way the snapshot stays as it was (exit 10), and the next run goes\n" +
				"on from what was fetched. Each run appends a line to history.jsonl in the store.\n" +
				"At boot, before containers start, the current snapshot is mounted; it stays so.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "cron", Usage: "print a crontab line instead"},
				&cli.StringFlag{Name: "dir", Value: "/etc/systemd/system", Usage: "write the units into `DIR`"},
				&cli.StringFlag{Name: "metrics", Usage: "have each build write Prometheus metrics to `FILE` (default: the configuration's)"},
			},
			Action: runSetupTimer,
		}, setupPodmanCommand(), setupDockerCommand(), setupBundleCommand(), setupNRICommand(), setupListCommand()},
	}
}

// The names of the units.
const (
	serviceName      = "larder-build.service"
	timerName        = "larder-build.timer"
	gcServiceName    = "larder-gc.service"
	gcTimerName      = "larder-gc.timer"
	mountServiceName = "larder-mount.service"
)

func runSetupTimer(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("setup timer takes no argument %q", c.Args().First())
	}
	larder, err := larderLine(c)
	if err != nil {
		return err
	}
	if c.Bool("cron") {
		return printSetup(c, setupReport{Crontab: larder.crontab()})
	}
	dir := c.String("dir")
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return usagef("%s is no directory", dir).hint("does this host run systemd? --cron prints a crontab line instead; --dir writes elsewhere")
	}
	r := setupReport{Enable: "systemctl daemon-reload && systemctl enable --now " + timerName + " " + gcTimerName + " " + mountServiceName}
	for _, u := range larder.units() {
		path := filepath.Join(dir, u.name)
		err := snapshot.WriteFile(path, []byte(u.text), 0o644)
		if errors.Is(err, fs.ErrPermission) {
			return usagef("%s cannot be written by user %d", path, os.Geteuid()).hint("run it as root, or name another directory with --dir; --cron only prints")
		}
		if err != nil {
			return fmt.Errorf("write unit: %w", err)
		}
		r.Wrote = append(r.Wrote, path)
	}
	return printSetup(c, r)
}

// setupReport is what was written and what is left to do, or the lines to add to a crontab.
type setupReport struct {
	Wrote   []string `json:"wrote,omitempty"`
	Enable  string   `json:"enable,omitempty"`
	Crontab []string `json:"crontab,omitempty"`
}

func printSetup(c *cli.Context, r setupReport) (err error) {
	if jsonWanted(c) {
		return printJSON(c, r)
	}
	for _, path := range r.Wrote {
		fmt.Fprintf(c.App.Writer, "wrote %s\n", path)
	}
	if r.Enable != "" {
		_, err = fmt.Fprintf(c.App.Writer, "switch it on: %s\n", r.Enable)
	}
	for _, line := range r.Crontab {
		_, err = fmt.Fprintln(c.App.Writer, line)
	}
	return err
}

// command is what a unit runs: the program, its global flags, and those of a build; and where the
// store is.
type command struct {
	global, build []string
	store         string
}

// larderLine is this program with the store and the configuration of this command
// line, all by absolute paths.
func larderLine(c *cli.Context) (command, error) {
	exe, err := os.Executable()
	if err != nil {
		return command{}, fmt.Errorf("find this program: %w", err)
	}
	store, err := storeDir(c)
	if err != nil {
		return command{}, err
	}
	if store, err = filepath.Abs(store); err != nil {
		return command{}, err
	}
	line := command{global: []string{exe, "--store", store}, store: store}
	if config := globalString(c, "config"); config != "" {
		if config, err = filepath.Abs(config); err != nil {
			return command{}, err
		}
		line.global = append(line.global, "--config", config)
	}
	if metrics := c.String("metrics"); metrics != "" {
		if metrics, err = filepath.Abs(metrics); err != nil {
			return command{}, err
		}
		line.build = append(line.build, "--metrics", metrics)
	}
	for _, word := range append(line.global, line.build...) {
		if strings.ContainsFunc(word, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return command{}, usagef("%q cannot be written into a unit", word)
		}
	}
	return line, nil
}

// What ends a run that hangs. The first build of a large budget on a slow line takes hours, no
// build takes a day; a collection goes on where the last one ended.
const (
	buildHours = 12
	gcMinutes  = 30
)

// buildWords and gcWords are the two jobs. Snapshots are collected after each build, what dead
// containers left every hour.
func (line command) buildWords() []string {
	return slices.Concat(line.global, []string{"build"}, line.build)
}
func (line command) gcWords() []string {
	return line.words("gc", "--leftovers")
}

// words are those of another command, which takes no flags of a build.
func (line command) words(command ...string) []string { return slices.Concat(line.global, command) }

// unit is a file for systemd.
type unit struct{ name, text string }

// units are the two services and their timers, and what mounts at boot.
func (line command) units() []unit {
	service := func(description, unit, start string, limit string) string {
		return "# Written by larder setup timer; changes here are lost when it is run again.\n" +
			"[Unit]\nDescription=Larder: " + description + "\n" + unit + "\n[Service]\nType=oneshot\n" + start + "TimeoutStartSec=" + limit +
			"\nNice=10\nCPUSchedulingPolicy=batch\nIOSchedulingClass=idle\nUMask=0077\nNoNewPrivileges=yes\n"
	}
	timer := func(description, when string) string {
		return "# Written by larder setup timer; changes here are lost when it is run again.\n" +
			"[Unit]\nDescription=Larder: " + description + "\n\n[Timer]\n" + when + "\n[Install]\nWantedBy=timers.target\n"
	}
	return []unit{
		{serviceName, service("stock the Python packages people install", "Wants=network-online.target\nAfter=network-online.target\n",
			"ExecStart="+unitLine(line.buildWords())+`
# Neither is a failure of the build when it fails. A build keeps mounted what is, and this mounts
# the first snapshot of a host, too.
ExecStartPost=-`+unitLine(line.words("mount"))+`
# What no snapshot kept needs any more.
ExecStartPost=-`+unitLine(line.words("gc"))+`
# 8: published, with skips that are named in the journal.
SuccessExitStatus=8
`, fmt.Sprint(buildHours, "h"))},
		{timerName, timer("stock once a week", `OnCalendar=weekly
# Spread over hosts, so that the index does not see all of them at once.
RandomizedDelaySec=6h
# A host that was off catches up.
Persistent=yes
`)},
		{gcServiceName, service("remove what containers left behind", "", "ExecStart="+unitLine(line.gcWords())+"\n", fmt.Sprint(gcMinutes, "min"))},
		{gcTimerName, timer("give back the space of containers that are gone", "OnCalendar=hourly\nRandomizedDelaySec=10min\n")},
		{mountServiceName, line.mountUnit()},
	}
}

// runtimes start containers at boot: none of them before its snapshot is mounted, and at shutdown
// they end before it is let go of. One that a host does not have is no matter.
const runtimes = "containerd.service docker.service crio.service kubelet.service podman.service podman-restart.service"

// mountUnit mounts at boot, /run being empty. It has no sandbox, which would be a mount namespace of
// its own, and none of the niceness of the others: the boot waits for it, some milliseconds.
func (line command) mountUnit() string {
	return "# Written by larder setup timer; changes here are lost when it is run again.\n" +
		"[Unit]\nDescription=Larder: keep the current snapshot mounted\n" +
		"After=local-fs.target\nRequiresMountsFor=" + unitPath(line.store) + "\nBefore=" + runtimes + `

[Service]
Type=oneshot
RemainAfterExit=yes
# A store that has no snapshot yet has nothing to mount: the first build does.
ExecCondition=` + unitLine(line.words("ls", "current:")) + `
ExecStart=` + unitLine(line.words("mount")) + `
# Before the store's disk is unmounted. Containers that run keep what they have.
ExecStop=` + unitLine(line.words("unmount", "--all")) + `
TimeoutStartSec=1min

[Install]
WantedBy=multi-user.target
`
}

// unitPath quotes a path where systemd wants one that is no command: there $ is a character.
func unitPath(path string) string { return strings.ReplaceAll(unitLine([]string{path}), "$$", "$") }

// unitLine quotes words as systemd reads them: % and $ would be replaced.
func unitLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		w = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(w)
		if strings.ContainsAny(w, " \t'\"\\;") || w == "" {
			w = `"` + w + `"`
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}

// crontab is the same for cron: the mount at boot, and the two jobs at times that are this host's own. cron sends by mail what a
// job says, and these say only what somebody has to look at.
func (line command) crontab() []string {
	hours, minutes := fmt.Sprint(buildHours, "h"), fmt.Sprint(gcMinutes, "m")
	build := cronCommand(hours, append(line.buildWords(), "--quiet"))
	collect := cronCommand(minutes, line.words("gc"))
	return []string{
		"@reboot " + cronCommand("1m", line.words("mount")),
		fmt.Sprintf("%d %d * * %d %s; %s", rand.IntN(60), rand.IntN(6), rand.IntN(7), build, collect),
		fmt.Sprintf("%d * * * * %s", rand.IntN(60), cronCommand(minutes, line.gcWords())),
	}
}

func cronCommand(limit string, words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return fmt.Sprintf("nice -n 10 ionice -c 3 timeout %s %s >/dev/null", limit, strings.ReplaceAll(strings.Join(quoted, " "), "%", `\%`))
}

// plain are the characters that a shell takes as they are.
const plain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/._=:,@%+-"

func shellWord(w string) string {
	if w != "" && strings.Trim(w, plain) == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
