package image

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"larder/snapshot"
)

// Usage is what a snapshot costs, in bytes of the pool. One object counts once in each row that
// names it, and once in the totals.
type Usage struct {
	Image      int64      `json:"image"`       // size of the image itself
	Objects    int        `json:"objects"`     // distinct objects
	Bytes      int64      `json:"bytes"`       // their size
	OnlyViews  int64      `json:"only_views"`  // bytes that would go with the views
	OnlyLayers int64      `json:"only_layers"` // bytes that would go with the layers
	Shared     int64      `json:"shared"`      // bytes that both need
	Rows       []UsageRow `json:"rows"`
}

// UsageRow is one view ("views/<name>"), the layers ("layers", merged environments included), or
// what belongs to neither ("index").
type UsageRow struct {
	Name    string `json:"name"`
	Files   int    `json:"files"`
	Objects int    `json:"objects"`
	Bytes   int64  `json:"bytes"`
	Only    int64  `json:"only"` // bytes no other row needs
}

const (
	rowIndex  = "index"
	rowLayers = "layers"
)

// Usage walks the image and adds up.
func (i *Image) Usage() (*Usage, error) {
	type object struct {
		size int64
		rows uint64 // bit for each row that names it
	}
	var (
		rows    []UsageRow
		place   = map[string]int{}
		objects = map[snapshot.Object]object{}
	)
	err := i.Walk("", func(e Entry) error {
		if !e.Mode.IsRegular() {
			return nil
		}
		name := rowOf(e.Path)
		r, ok := place[name]
		if !ok {
			// More views than bits share the last one: nobody has 60 views.
			r = min(len(rows), 63)
			place[name] = r
			if r == len(rows) {
				rows = append(rows, UsageRow{Name: name})
			}
		}
		rows[r].Files++
		if e.Size > 0 {
			objects[e.Object] = object{e.Size, objects[e.Object].rows | 1<<r}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	u := &Usage{Objects: len(objects)}
	if fi, err := i.file.Stat(); err == nil {
		u.Image = fi.Size()
	}
	bit := func(row string) uint64 {
		if r, ok := place[row]; ok {
			return 1 << r
		}
		return 0
	}
	layers, index := bit(rowLayers), bit(rowIndex)
	for _, o := range objects {
		u.Bytes += o.size
		switch views := o.rows &^ layers &^ index; {
		case views != 0 && o.rows&layers != 0:
			u.Shared += o.size
		case views != 0:
			u.OnlyViews += o.size
		case o.rows&layers != 0:
			u.OnlyLayers += o.size
		}
		for r := range rows {
			if o.rows&(1<<r) != 0 {
				rows[r].Objects++
				rows[r].Bytes += o.size
				if bits.OnesCount64(o.rows) == 1 {
					rows[r].Only += o.size
				}
			}
		}
	}
	slices.SortFunc(rows, func(a, b UsageRow) int { return cmp.Compare(a.Name, b.Name) })
	u.Rows = append([]UsageRow{}, rows...)
	return u, nil
}

func rowOf(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	switch first {
	case "views":
		view, _, _ := strings.Cut(rest, "/")
		return "views/" + view
	case "l", "e":
		return rowLayers
	}
	return rowIndex
}
