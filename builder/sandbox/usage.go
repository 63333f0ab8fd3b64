package sandbox

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// overuse is the limit that processes are beyond, where no control group counts: those of a keeper's
// pid namespace, from its /proc.
func overuse(keeper int, l Limits) string {
	proc := filepath.Join("/proc", strconv.Itoa(keeper), "root/proc")
	entries, _ := os.ReadDir(proc)
	var bytes int64
	var threads int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err != nil || pid == 1 {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(proc, e.Name(), "stat"))
		n, resident := usage(string(stat))
		threads += n
		bytes += resident
	}
	switch {
	case bytes > l.Memory:
		return LimitMemory
	case threads >= l.Processes:
		return LimitProcesses
	}
	return ""
}

// usage reads a line of /proc/PID/stat: fields 20 and 24 by proc(5). The second may hold anything.
func usage(stat string) (threads int, resident int64) {
	_, after, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(after)
	if len(fields) < 22 {
		return 0, 0
	}
	threads, _ = strconv.Atoi(fields[20-3])
	pages, _ := strconv.ParseInt(fields[24-3], 10, 64)
	return threads, pages * int64(os.Getpagesize())
}
