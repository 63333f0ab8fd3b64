package oci

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/moby/sys/user"
)

// parseIDMap reads one user namespace's ids, as the kernel tells them in /proc/PID/uid_map.
// config.json is not asked: a namespace joined by path has no map there. A map that gives one id two
// meanings is refused: ownership on the host is decided by it.
func parseIDMap(r io.Reader) ([]user.IDMap, error) {
	m, err := user.ParseIDMap(r)
	if err != nil {
		return nil, fmt.Errorf("read id map: %w", err)
	}
	if len(m) == 0 {
		return nil, errors.New("id map is empty")
	}
	for i, a := range m {
		if a.Count <= 0 || a.ID < 0 || a.ParentID < 0 || a.ID+a.Count > math.MaxUint32+1 || a.ParentID+a.Count > math.MaxUint32+1 {
			return nil, fmt.Errorf("id map line %d: a range of %d ids from %d to %d", i+1, a.Count, a.ID, a.ParentID)
		}
		for _, b := range m[:i] {
			if overlap(a.ID, b.ID, a.Count, b.Count) || overlap(a.ParentID, b.ParentID, a.Count, b.Count) {
				return nil, fmt.Errorf("id map line %d overlaps one before it", i+1)
			}
		}
	}
	return m, nil
}

func overlap(a, b, aCount, bCount int64) bool { return a < b+bCount && b < a+aCount }
