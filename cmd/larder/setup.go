package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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
			Usage: "write systemd services and timers: a build once a week, dead containers' leftovers every hour",
			Description: "Prints what it wrote and how to switch it on. With --cron nothing is written: lines\n" +
				"for root's crontab are printed. Two builds never run at once: the second exits 5. When\n" +
				"the index fails half-way the snapshot stays as it was (exit 10), and the next run goes\n" +
				"on from what was fetched. Each run appends a line to history.jsonl in the store.",
			ArgsUsage: " ",
			Flags: append([]cli.Flag{
				&cli.BoolFlag{Name: "cron", Usage: "print a crontab line instead"},
				&cli.StringFlag{Name: "dir", Value: "/etc/systemd/system", Usage: "write the units into `DIR`"},
				&cli.StringFlag{Name: "metrics", Usage: "have each build write Prometheus metrics to `FILE` (default: the configuration's)"},
			}, globalFlags()...),
			OnUsageError: onUsageError,
			Action:       runSetupTimer,
		}},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("setup has no %q", c.Args().First()).hint("larder setup timer writes the weekly job")
			}
			return cli.ShowSubcommandHelp(c)
		},
	}
}

// The names of the units.
const (
	serviceName   = "larder-build.service"
	timerName     = "larder-build.timer"
	gcServiceName = "larder-gc.service"
	gcTimerName   = "larder-gc.timer"
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
		_, err := fmt.Fprintf(c.App.Writer, "%s\n%s\n", cronLine(larder), gcCronLine(larder))
		return err
	}
	dir := c.String("dir")
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return usagef("%s is no directory", dir).hint("does this host run systemd? --cron prints a crontab line instead; --dir writes elsewhere")
	}
	for _, u := range []struct{ name, text string }{
		{serviceName, serviceUnit(larder)}, {timerName, timerUnit},
		{gcServiceName, gcServiceUnit(larder)}, {gcTimerName, gcTimerUnit},
	} {
		path := filepath.Join(dir, u.name)
		if err := snapshot.WriteFile(path, []byte(u.text), 0o644); err != nil {
			return fmt.Errorf("write unit: %w", err)
		}
		fmt.Fprintf(c.App.Writer, "wrote %s\n", path)
	}
	_, err = fmt.Fprintf(c.App.Writer, "switch it on: systemctl daemon-reload && systemctl enable --now %s %s\n", timerName, gcTimerName)
	return err
}

// command is what a unit runs: the program, its global flags, and those of a build.
type command struct{ global, build []string }

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
	line := command{global: []string{exe, "--store", store}}
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

// runLimit ends a run that hangs: the first run of a large budget on a slow line
// takes hours, no run takes a day.
const runLimit = "12h"

func serviceUnit(line command) string {
	build := append(append([]string{}, line.global...), append([]string{"build"}, line.build...)...)
	gc := append(append([]string{}, line.global...), "gc")
	return `# Written by larder setup timer; changes here are lost when it is run again.
[Unit]
Description=Larder: stock the Python packages people install
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=` + unitLine(build) + `
# What no snapshot kept needs any more. That it could not is no failure of the build.
ExecStartPost=-` + unitLine(gc) + `
# 8: published, with skips that are named in the journal.
SuccessExitStatus=8
TimeoutStartSec=` + runLimit + `
Nice=10
CPUSchedulingPolicy=batch
IOSchedulingClass=idle
UMask=0077
NoNewPrivileges=yes
`
}

const timerUnit = `# Written by larder setup timer; changes here are lost when it is run again.
[Unit]
Description=Larder: stock once a week

[Timer]
OnCalendar=weekly
# Spread over hosts, so that the index does not see all of them at once.
RandomizedDelaySec=6h
# A host that was off catches up.
Persistent=yes

[Install]
WantedBy=timers.target
`

// gcLimit ends a collection of leftovers; the next goes on where it ended.
const gcLimit = "30min"

func gcServiceUnit(line command) string {
	return `# Written by larder setup timer; changes here are lost when it is run again.
[Unit]
Description=Larder: remove what containers left behind

[Service]
Type=oneshot
ExecStart=` + unitLine(line.leftovers()) + `
TimeoutStartSec=` + gcLimit + `
Nice=10
CPUSchedulingPolicy=batch
IOSchedulingClass=idle
UMask=0077
NoNewPrivileges=yes
`
}

const gcTimerUnit = `# Written by larder setup timer; changes here are lost when it is run again.
[Unit]
Description=Larder: give back the space of containers that are gone

[Timer]
OnCalendar=hourly
RandomizedDelaySec=10min

[Install]
WantedBy=timers.target
`

// leftovers is the collection that runs often: snapshots are the weekly build's.
func (line command) leftovers() []string {
	return append(append([]string{}, line.global...), "gc", "--leftovers")
}

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

// cronLine is the same job for cron, at a time of the week that is this line's own.
func cronLine(line command) string {
	build := append(append([]string{}, line.global...), append([]string{"build"}, line.build...)...)
	return fmt.Sprintf("%d %d * * %d %s", rand.IntN(60), rand.IntN(6), rand.IntN(7), cronCommand(runLimit, build))
}

func gcCronLine(line command) string {
	return fmt.Sprintf("%d * * * * %s", rand.IntN(60), cronCommand("30m", line.leftovers()))
}

func cronCommand(limit string, words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return fmt.Sprintf("nice -n 10 ionice -c 3 timeout %s %s >/dev/null", limit, strings.ReplaceAll(strings.Join(quoted, " "), "%", `\%`))
}

func shellWord(w string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (isWord(byte(r)) || strings.ContainsRune("/._-+=:,@%", r))
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
