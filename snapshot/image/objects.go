package image

import "larder/snapshot"

// Objects returns how many distinct objects the tree names, and their size in bytes:
// what the snapshot takes from the pool.
func (t *Tree) Objects() (n int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[snapshot.Object]bool{}
	visited := map[*node]bool{} // merged environments stand in two places
	var walk func(*node)
	walk = func(d *node) {
		if visited[d] {
			return
		}
		visited[d] = true
		for _, c := range d.children {
			switch {
			case c.isDir():
				walk(c)
			case c.isLink() || c.size == 0 || seen[c.object]:
			default:
				seen[c.object] = true
				bytes += c.size
			}
		}
	}
	walk(t.root)
	return len(seen), bytes
}
