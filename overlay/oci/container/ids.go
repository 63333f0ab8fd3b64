package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// idMap is one user namespace's ids, as the kernel tells them in
// /proc/PID/uid_map. config.json is not asked: a namespace joined by path has
// no map there.
type idMap []specs.LinuxIDMapping

// maxMapLines is the kernel's own limit of lines in a map.
const maxMapLines = 340

func parseIDMap(r io.Reader) (idMap, error) {
	var m idMap
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || len(m) == maxMapLines {
			return nil, fmt.Errorf("id map line %.80q", lines.Text())
		}
		var n [3]uint32
		for i, f := range fields {
			v, err := strconv.ParseUint(f, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("id map line %.80q: %w", lines.Text(), err)
			}
			n[i] = uint32(v)
		}
		m = append(m, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read id map: %w", err)
	}
	return m, m.check()
}

// check refuses a map that gives one id two meanings: ownership on the host is
// decided by it.
func (m idMap) check() error {
	if len(m) == 0 {
		return errors.New("id map is empty")
	}
	for i, a := range m {
		if a.Size == 0 || uint64(a.ContainerID)+uint64(a.Size) > math.MaxUint32+1 || uint64(a.HostID)+uint64(a.Size) > math.MaxUint32+1 {
			return fmt.Errorf("id map line %d: a range of %d ids from %d to %d", i+1, a.Size, a.ContainerID, a.HostID)
		}
		for _, b := range m[:i] {
			if overlap(a.ContainerID, b.ContainerID, a.Size, b.Size) || overlap(a.HostID, b.HostID, a.Size, b.Size) {
				return fmt.Errorf("id map line %d overlaps one before it", i+1)
			}
		}
	}
	return nil
}

func overlap(a, b, aSize, bSize uint32) bool {
	return uint64(a) < uint64(b)+uint64(bSize) && uint64(b) < uint64(a)+uint64(aSize)
}

// toHost maps an id of the container to the host's.
func (m idMap) toHost(id uint32) (uint32, bool) {
	for _, r := range m {
		if id >= r.ContainerID && id-r.ContainerID < r.Size {
			return r.HostID + (id - r.ContainerID), true
		}
	}
	return 0, false
}

// fromHost maps an id of the host to the container's.
func (m idMap) fromHost(id uint32) (uint32, bool) {
	for _, r := range m {
		if id >= r.HostID && id-r.HostID < r.Size {
			return r.ContainerID + (id - r.HostID), true
		}
	}
	return 0, false
}
