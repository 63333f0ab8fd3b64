package report

import "fmt"

// Rect is a rectangle of a picture that is 1000 wide and 100 high, whatever its size on a screen.
type Rect struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

// Chart is a picture, and what stands below it.
type Chart struct {
	Rects  []Rect
	Legend []Key
}

// Key names a colour.
type Key struct{ Class, Text string }

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func percent(f float64) string { return fmt.Sprintf("%.0f %%", 100*f) }

// DiskBytes is what the store takes in all.
func (p Page) DiskBytes() (all int64) {
	for _, s := range p.Disk {
		all += s.Bytes
	}
	return all
}

// DiskChart is one bar: who takes what.
func (p Page) DiskChart() (c Chart) {
	x := 0.0
	for i, s := range p.Disk {
		if s.Bytes <= 0 {
			continue
		}
		class := fmt.Sprintf("c%d", i%6)
		w := 1000 * share(s.Bytes, p.DiskBytes())
		text := s.Name + " " + bytesText(s.Bytes)
		c.Rects = append(c.Rects, Rect{X: x, W: w, H: 100, Class: class, Title: text})
		c.Legend = append(c.Legend, Key{class, text})
		x += w
	}
	return c
}

// Bar draws what a snapshot shares and what is its own, beside the largest.
func (p Page) Bar(s Snapshot) Chart {
	var most int64
	for _, other := range p.Snapshots {
		most = max(most, other.Own+other.Shared)
	}
	shared, own := 1000*share(s.Shared, most), 1000*share(s.Own, most)
	return Chart{Rects: []Rect{
		{W: shared, H: 100, Class: "c0", Title: "shared " + bytesText(s.Shared)},
		{X: shared, W: own, H: 100, Class: "c1", Title: "its own " + bytesText(s.Own)},
	}}
}

// shownWeeks is how many weeks a chart has: half a year.
const shownWeeks = 26

// LastWeeks are those that charts show.
func (p Page) LastWeeks() []Week { return p.Weeks[max(0, len(p.Weeks)-shownWeeks):] }

// HitChart has a bar for each week: of all artifacts, the share that came from a snapshot.
func (p Page) HitChart() (c Chart) {
	for i, w := range p.LastWeeks() {
		x, width := column(i, len(p.LastWeeks()))
		h := 100 * w.HitRate()
		title := fmt.Sprintf("week of %s: %s, %d of %d", w.Start, percent(w.HitRate()), w.Used, w.Used+w.Downloaded)
		c.Rects = append(c.Rects, Rect{x, 0, width, 100, "back", title}, Rect{x, 100 - h, width, h, "c0", title})
	}
	return c
}

// MissChart has a bar for each week: artifacts that were downloaded.
func (p Page) MissChart() (c Chart) {
	most := p.MostDownloaded()
	for i, w := range p.LastWeeks() {
		x, width := column(i, len(p.LastWeeks()))
		h := 100 * share(w.Downloaded, most)
		c.Rects = append(c.Rects, Rect{x, 100 - h, width, h, "c1", fmt.Sprintf("week of %s: %d downloaded", w.Start, w.Downloaded)})
	}
	return c
}

// MostDownloaded is the height of MissChart.
func (p Page) MostDownloaded() (most int64) {
	for _, w := range p.LastWeeks() {
		most = max(most, w.Downloaded)
	}
	return most
}

// column is the place of one of n bars; few bars are not as wide as they could be.
func column(i, n int) (x, width float64) {
	step := 1000 / float64(max(n, 8))
	return step * (float64(i) + 0.1), step * 0.8
}

// rankColumns is how many bars the ranking has.
const rankColumns = 50

// RankChart has a bar for each fiftieth of the ranking: the share of it that is stocked.
func (p Page) RankChart() (c Chart) {
	n := len(p.Ranking)
	columns := min(rankColumns, n)
	for i := range columns {
		from, to := n*i/columns, n*(i+1)/columns
		stocked := stockedOf(p.Ranking[from:to])
		part := share(int64(stocked), int64(to-from))
		x, width := 1000*float64(i)/float64(columns), 1000/float64(columns)*0.85
		title := fmt.Sprintf("places %d to %d: %d stocked", from+1, to, stocked)
		c.Rects = append(c.Rects, Rect{x, 0, width, 100, "back", title}, Rect{x, 100 - 100*part, width, 100 * part, "c0", title})
	}
	return c
}

func stockedOf(ranking []Ranked) (n int) {
	for _, r := range ranking {
		if r.Stocked {
			n++
		}
	}
	return n
}

// RankedStocked is how many places of the ranking are stocked.
func (p Page) RankedStocked() int { return stockedOf(p.Ranking) }

// FirstLacking are the best places that are not stocked.
func (p Page) FirstLacking() (names []string) {
	for i, r := range p.Ranking {
		if !r.Stocked && len(names) < 30 {
			names = append(names, fmt.Sprintf("%d %s", i+1, r.Project))
		}
	}
	return names
}

// AllWeeks is the sum of them.
func (p Page) AllWeeks() (sum Week) {
	for _, w := range p.Weeks {
		sum.Used += w.Used
		sum.Downloaded += w.Downloaded
		sum.Spared += w.Spared
	}
	return sum
}

// StockBytes are the bytes of all files that are stocked.
func (p Page) StockBytes() (n int64) {
	for _, k := range p.Packages {
		n += k.Bytes
	}
	return n
}
