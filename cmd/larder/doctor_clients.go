package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/fetch"
	builderpypi "larder/builder/pypi"
	"larder/builder/pypi/index"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/pep440"
)

// clientCommands ask clients for their version. The interpreter is isolated: what lies in the working
// directory is not asked.
var clientCommands = map[string][]string{
	"pip":    {"python3", "-I", "-m", "pip", "--version"},
	"uv":     {"uv", "--version"},
	"poetry": {"poetry", "--version"},
}

// clientChecks say of each client on this host whether a snapshot with this manifest has the view that
// its version reads. Those of containers are their own: what they have, doctor --container says.
func clientChecks(ctx context.Context, m *snapshot.Manifest) []finding {
	checks := []finding{}
	for _, client := range ecosystem.Clients() {
		command := clientCommands[client.Name]
		if command == nil {
			continue
		}
		ctx, done := shortly(ctx)
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
		done()
		const why = "a client hits only in the view that its version reads"
		version := versionIn(string(out))
		switch {
		case errors.Is(err, exec.ErrNotFound):
			continue // nobody uses it here
		case err != nil || version == "":
			checks = append(checks, finding{Group: "clients", Name: client.Name, State: stateUnknown, Detail: strings.Join(command, " ") + " does not tell its version",
				Why: why, Fix: "install " + client.Name + ", if it is used here"})
			continue
		case m == nil:
			checks = append(checks, finding{Group: "clients", Name: client.Name, State: stateUnknown, Detail: version + ", and no snapshot to compare with", Why: why, Fix: "larder build"})
			continue
		}
		views := readBy(client, version)
		at := slices.IndexFunc(views, func(v string) bool { return slices.Contains(m.Views, v) })
		if at >= 0 {
			checks = append(checks, judge("clients", client.Name, hits(client, version, views[at], m.Views), why, nil, "", ""))
			continue
		}
		checks = append(checks, finding{Group: "clients", Name: client.Name, State: stateWarn, Why: why, Fix: stockView(views),
			Detail: fmt.Sprintf("%s reads view %s, which the current snapshot has not", version, strings.Join(views, " or "))})
	}
	if len(checks) == 0 {
		checks = append(checks, finding{Group: "clients", Name: "python3", State: stateWarn, Detail: "no client is on PATH",
			Why: "larder build asks python3's pip for the index and the target", Fix: "install Python 3 with pip"})
	}
	return checks
}

// stockView is how to have one of the views.
func stockView(views []string) string {
	for _, v := range views {
		if slices.Contains(builder.ViewNames(), v) {
			return "larder build --view " + v + ", beside the other views; or views in [build] of the configuration"
		}
	}
	return "no build writes it yet: point the client to the static index of the view " + pypi.ViewSimple
}

// readBy are the views that a version of a client reads.
func readBy(client ecosystem.Client, version string) []string {
	if client.Name != "pip" {
		return client.Views
	}
	if before(version, "23.3") { // pip keeps bodies beside its entries from there on
		return []string{pypi.ViewWheels, pypi.ViewPipOld}
	}
	return []string{pypi.ViewWheels, pypi.ViewPip}
}

// hits says in which view a client hits, and what it does not find there: pip before 23.1 does not
// look among built wheels for what a lock names by hash.
func hits(client ecosystem.Client, version, view string, has []string) string {
	text := version + " hits in view " + view
	if client.Name == "pip" && view == pypi.ViewWheels && before(version, "23.1") && !slices.Contains(has, pypi.ViewPipOld) {
		text += ", but where hashes are required: that needs view " + pypi.ViewPipOld
	}
	return text
}

func before(version, other string) bool {
	v, err := pep440.Parse(version)
	o, _ := pep440.Parse(other)
	return err == nil && v.Compare(o) < 0
}

// versionIn finds the version in what a client prints of itself: "pip 26.3 from …", "Poetry (version 2.1.4)".
func versionIn(out string) string {
	for _, word := range strings.Fields(out) {
		word = strings.Trim(word, "()")
		if _, err := pep440.Parse(word); err == nil && strings.Contains(word, ".") {
			return word
		}
	}
	return ""
}

// indexCheck asks the index that pip is configured for, and says whether the snapshot is of it: the keys
// of caches are its addresses.
func indexCheck(ctx context.Context, m *snapshot.Manifest) finding {
	const name, why = "index", "builds fetch from it, and a cache hits only for the index that it was stocked from"
	ctx, done := shortly(ctx)
	defer done()
	_, pip, err := builderpypi.PipOf(ctx)
	if err != nil {
		return judge("clients", name, "", why, err, stateWarn, "pip config list shows what pip goes by")
	}
	pip.Retries = 0
	client, err := index.New(pip, index.Options{Limits: fetch.Limits{Jobs: 1}, UserAgent: userAgent()})
	if err != nil {
		return judge("clients", name, "", why, err, stateWarn, "pip config list shows what pip goes by")
	}
	defer client.Close()
	_, err = client.Project(ctx, "pip")
	if errors.Is(err, index.ErrNotFound) {
		err = nil // it has answered
	}
	if err != nil {
		return judge("clients", name, "", why, err, stateWarn, "pip config list shows which it is; PIP_INDEX_URL and the proxy's variables change it")
	}
	here := withoutUser(pip.Indexes[0])
	if m != nil && len(m.Artifacts) > 0 && !slices.ContainsFunc(m.Artifacts, func(a snapshot.ManifestArtifact) bool { return sameIndex(a.Index, here) }) {
		err = fmt.Errorf("%s answers, and the snapshot was stocked from %s", here, m.Artifacts[0].Index)
	}
	return judge("clients", name, here+" answers", why, err, stateWarn, "larder build stocks from the one that pip is configured for")
}

func sameIndex(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the index"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
