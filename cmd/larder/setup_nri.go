package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// nriServiceName is the unit of the NRI plugin.
const nriServiceName = "larder-nri.service"

func setupNRICommand() *cli.Command {
	return &cli.Command{
		Name:  "nri",
		Usage: "write a systemd unit for larder-nri, which attaches to pods of Kubernetes",
		Description: "The plugin registers with containerd 2 or CRI-O, and again when that restarts. systemd\n" +
			"starts it again when it dies, and when it says nothing for ten seconds. Pods ask by the\n" +
			"annotation dev.larder.profile, and profile.NAME.namespaces in the configuration says\n" +
			"which may. In a cluster that is no host of systemd's, run it as a DaemonSet.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "nri", Usage: "the plugin is at `PATH` (default: beside this program, or where make install puts it)"},
			&cli.StringFlag{Name: "dir", Value: "/etc/systemd/system", Usage: "write the unit into `DIR`"},
			&cli.BoolFlag{Name: "required", Usage: "a pod that asks and cannot have all of it does not start"},
			&cli.BoolFlag{Name: "remove", Usage: "remove what this command wrote"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print it and write nothing"},
		},
		Action: runSetupNRI,
	}
}

func runSetupNRI(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("setup nri takes no argument %q", c.Args().First())
	}
	path := filepath.Join(c.String("dir"), nriServiceName)
	r := definitionsReport{Next: []string{"switch it on: systemctl daemon-reload && systemctl enable --now " + nriServiceName}}
	if c.Bool("remove") {
		if err := r.remove(c, path); err != nil {
			return err
		}
		return r.print(c)
	}
	program, err := setupProgram(c, "nri", "larder-nri")
	if err != nil {
		return err
	}
	common, err := hookWords(c)
	if err != nil {
		return err
	}
	words := slices.Concat([]string{program}, common)
	if c.Bool("required") {
		words = append(words, "--required")
	}
	for _, word := range words {
		if strings.ContainsFunc(word, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return usagef("%q cannot be written into a unit", word)
		}
	}
	if err := r.write(c, setupFile{path, []byte(nriUnit(words))}, false); err != nil {
		return err
	}
	return r.print(c)
}

// nriUnit keeps the plugin running. It has no sandbox: that would be a mount namespace of its own, in
// which it sees nothing that is mounted later.
func nriUnit(words []string) string {
	return "# Written by larder setup nri; changes here are lost when it is run again.\n" +
		`[Unit]
Description=Larder: attach snapshots to pods
After=containerd.service crio.service larder-mount.service
# A pod that starts before the plugin has registered starts without it.
Before=kubelet.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=` + unitLine(words) + `
Restart=always
RestartSec=1
# One that is stopped would hold up every pod for two seconds.
WatchdogSec=10
WatchdogSignal=SIGKILL
# Ready is who has registered; a runtime that is not there yet is waited for.
TimeoutStartSec=5min
OOMScoreAdjust=-900
UMask=0077

[Install]
WantedBy=multi-user.target
`
}
