package usage

import (
	"cmp"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Client is what one client did.
type Client struct {
	Attaches    int64 `json:"attaches"`
	Used        int64 `json:"used"`         // artifacts, from the snapshot
	Downloaded  int64 `json:"downloaded"`   // artifacts that it lacked
	SparedBytes int64 `json:"spared_bytes"` // of those that were used, at least
}

// Count is what was counted over a time.
type Count struct {
	Containers int64             `json:"containers"`
	Commands   int64             `json:"commands"`
	Clients    map[string]Client `json:"clients"`
}

// Attaches are all of containers and commands.
func (c Count) Attaches() int64 { return c.Containers + c.Commands }

// All is what all clients did together.
func (c Count) All() (all Client) {
	for _, one := range c.Clients {
		all.add(one)
	}
	return all
}

func (c *Client) add(d Client) {
	c.Attaches += d.Attaches
	c.Used += d.Used
	c.Downloaded += d.Downloaded
	c.SparedBytes += d.SparedBytes
}

// Add adds another count.
func (c *Count) Add(d Count) {
	c.Containers += d.Containers
	c.Commands += d.Commands
	for name, client := range d.Clients {
		c.client(name, client)
	}
}

func (c *Count) client(name string, d Client) {
	if c.Clients == nil {
		c.Clients = map[string]Client{}
	}
	had := c.Clients[name]
	had.add(d)
	c.Clients[name] = had
}

// Stock is what counting has to know of a snapshot. A nil one stocks nothing that is known.
type Stock struct {
	projects map[string][]snapshot.ManifestArtifact // by ecosystem and name
	asked    map[string]string                      // key of a page, to that
	layers   map[string]*snapshot.ManifestArtifact  // by layer's id
	merged   map[string][]string                    // by environment's id: layers
}

// StockOf reads a manifest.
func StockOf(m *snapshot.Manifest) *Stock {
	s := &Stock{map[string][]snapshot.ManifestArtifact{}, map[string]string{}, map[string]*snapshot.ManifestArtifact{}, map[string][]string{}}
	rows := map[snapshot.Digest]*snapshot.ManifestArtifact{}
	for i, row := range m.Artifacts {
		rows[row.SHA256] = &m.Artifacts[i]
		name := nameOf(row.Ecosystem, row.Project)
		if s.projects[name] == nil {
			if e, ok := ecosystem.Find(row.Ecosystem); ok && e.Leftovers != nil {
				for _, key := range e.Leftovers.Keys(row) {
					s.asked[key] = name
				}
			}
		}
		s.projects[name] = append(s.projects[name], row)
	}
	tools := map[string]bool{}
	for _, t := range m.Targets {
		tools[t.Installer] = true
	}
	for _, l := range m.Layers {
		if !tools[l.ID] { // nobody asked for an installer
			s.layers["l/"+l.ID] = rows[l.Artifact]
		}
	}
	for _, e := range m.Environments {
		for _, id := range e.Layers {
			s.merged["e/"+e.ID] = append(s.merged["e/"+e.ID], "l/"+id)
		}
	}
	return s
}

func nameOf(eco, project string) string { return eco + "/" + project }

// Count counts one use, and names what was installed and is not stocked: a miss that no upper shows.
func (s *Stock) Count(u Use) (c Count, missed []ecosystem.Miss) {
	if s == nil {
		s = &Stock{}
	}
	if u.Container {
		c.Containers = 1
	} else {
		c.Commands = 1
	}
	t := tally{s, &c, map[string]bool{}}
	for _, p := range u.Parts {
		c.client(p.Client, Client{Attaches: 1})
		t.downloaded(p)
	}
	for _, p := range u.Parts {
		t.mounted(p)
		t.asked(p)
	}
	for _, p := range u.Parts {
		for _, m := range p.Got {
			if m.Kind == ecosystem.Installed {
				t.installed(u, ecosystem.Present{Miss: m}, p.Client)
			}
		}
	}
	for _, i := range u.Installed {
		if !t.installed(u, i, cmp.Or(i.Client, "unknown")) {
			missed = append(missed, i.Miss)
		}
	}
	return c, missed
}

// tally counts one use: each project once.
type tally struct {
	*Stock
	*Count
	seen map[string]bool
}

func (t *tally) first(name string) bool {
	had := t.seen[name]
	t.seen[name] = true
	return !had
}

// downloaded counts what is in a cache's upper.
func (t *tally) downloaded(p Part) {
	for _, m := range p.Got {
		if (m.Kind == ecosystem.Downloaded || m.Kind == ecosystem.Built) && t.first(nameOf(m.Ecosystem, m.Project)) {
			t.client(p.Client, Client{Downloaded: 1})
		}
	}
}

// mounted counts the layers of an environment. Of what was upgraded or installed again in it a download
// shows, and that counts.
func (t *tally) mounted(p Part) {
	layers := p.Layers
	if len(layers) > 0 && strings.HasPrefix(layers[0], "e/") {
		layers = slices.Concat(t.merged[layers[0]], layers[1:])
	}
	for _, l := range layers {
		if row := t.layers[l]; row != nil && t.first(nameOf(row.Ecosystem, row.Project)) {
			t.client(p.Client, Client{Used: 1, SparedBytes: row.Size})
		}
	}
}

// asked counts the stocked projects whose page a client asked for.
func (t *tally) asked(p Part) {
	for _, key := range p.Asked {
		name, ok := t.Stock.asked[key]
		if ok && t.first(name) {
			t.client(p.Client, Client{Used: 1, SparedBytes: least(t.projects[name])})
		}
	}
}

// installed counts a project that was found installed, as used where it is stocked and the cache of a
// client was attached that can have served it. It says whether it is accounted for: stocked, or seen
// before.
func (t *tally) installed(u Use, i ecosystem.Present, by string) bool {
	name := nameOf(i.Ecosystem, i.Project)
	if !t.first(name) {
		return true
	}
	size, stocked := t.version(name, i.Miss)
	client := ""
	for _, p := range u.Parts {
		if p.Client != Environment && (i.Client == "" || i.Client == p.Client) && client == "" {
			client = p.Client
		}
	}
	if !stocked || client == "" {
		t.client(by, Client{Downloaded: 1})
		return stocked
	}
	t.client(client, Client{Used: 1, SparedBytes: size})
	return true
}

// version is the size of a version that is stocked, for the target where that is known.
func (t *tally) version(name string, m ecosystem.Miss) (int64, bool) {
	e, _ := ecosystem.Find(m.Ecosystem)
	rows := slices.DeleteFunc(slices.Clone(t.projects[name]), func(row snapshot.ManifestArtifact) bool {
		return row.Version != m.Version || !fits(e, row.Targets, m)
	})
	return least(rows), len(rows) > 0
}

// fits says whether one of the targets is what a miss was for, in the ecosystem's own words.
func fits(e ecosystem.Ecosystem, targets []string, m ecosystem.Miss) bool {
	return m.Target == "" || e.Leftovers == nil || slices.ContainsFunc(targets, func(tag string) bool {
		row, ok := e.Leftovers.Valid(ecosystem.Miss{Project: m.Project, Version: m.Version, Target: tag, Kind: m.Kind})
		return ok && row.Target == m.Target
	})
}

// least is the size of the smallest of artifacts; 0 of none.
func least(rows []snapshot.ManifestArtifact) int64 {
	if len(rows) == 0 {
		return 0
	}
	return slices.MinFunc(rows, func(a, b snapshot.ManifestArtifact) int { return cmp.Compare(a.Size, b.Size) }).Size
}
