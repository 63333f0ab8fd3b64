package oci

import (
	"encoding/json"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Engine is the container engine that had the runtime make a container, as far as its bundle shows, and
// the directory in which it keeps what it knows of it. The directory goes when the container is removed;
// until then the engine can start it again, under the same id and bundle. Both are "" for a container
// that nobody starts again: one of a bare runtime, of a pod of Kubernetes, or to be removed at its end.
func (s State) Engine(spec Spec) (name, dir string) {
	if dir := s.podman(); dir != "" && spec.Annotations["io.container.manager"] != "cri-o" {
		if spec.Annotations["io.podman.annotations.autoremove"] == "TRUE" {
			return "", ""
		}
		return "podman", dir
	}
	if dir := s.docker(spec); dir != "" && !autoRemove(path.Join(dir, "hostconfig.json")) {
		return "docker", dir
	}
	return "", ""
}

// podman's bundles are GRAPHROOT/DRIVER-containers/ID/userdata.
func (s State) podman() string {
	dir, last := path.Split(path.Clean(s.Bundle))
	dir = path.Clean(dir)
	if last == "userdata" && path.Base(dir) == s.ID && strings.HasSuffix(path.Base(path.Dir(dir)), "-containers") {
		return dir
	}
	return ""
}

// docker's bundles are containerd's, and go with the process. What Docker itself keeps is in
// DATAROOT/containers/ID, and files of it are mounted into every container.
func (s State) docker(spec Spec) string {
	if len(s.ID) != 64 || strings.Trim(s.ID, "0123456789abcdef") != "" {
		return ""
	}
	for _, source := range spec.Sources {
		source = path.Clean(source)
		if at := strings.Index(source, "/containers/"+s.ID+"/"); at >= 0 {
			return source[:at] + "/containers/" + s.ID
		}
	}
	return ""
}

// autoRemove says whether docker run was told --rm.
func autoRemove(hostConfig string) bool {
	f, err := os.OpenFile(hostConfig, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSpec))
	var host struct{ AutoRemove bool }
	return err == nil && json.Unmarshal(data, &host) == nil && host.AutoRemove
}
