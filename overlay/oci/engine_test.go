package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEngine(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "containers", id), 0o700); err != nil {
		t.Fatal(err)
	}
	const task = "/run/containerd/io.containerd.runtime.v2.task/moby/"
	docker := func(names ...string) (sources []string) {
		for _, n := range names {
			sources = append(sources, data+"/containers/"+n)
		}
		return append([]string{"proc", "/srv/x"}, sources...)
	}
	libpod := map[string]string{"io.container.manager": "libpod"}
	for _, tc := range []struct {
		what, id, bundle string
		spec             Spec
		name, dir        string
	}{
		{"podman", id, "/var/lib/containers/storage/overlay-containers/" + id + "/userdata", Spec{Annotations: libpod}, "podman", "/var/lib/containers/storage/overlay-containers/" + id},
		{"podman of a user, vfs", id, "/srv/s/vfs-containers/" + id + "/userdata/", Spec{}, "podman", "/srv/s/vfs-containers/" + id},
		{"podman run --rm", id, "/s/overlay-containers/" + id + "/userdata", Spec{Annotations: map[string]string{"io.podman.annotations.autoremove": "TRUE"}}, "", ""},
		{"cri-o", id, "/run/containers/storage/overlay-containers/" + id + "/userdata", Spec{Annotations: map[string]string{"io.container.manager": "cri-o"}}, "", ""},
		{"another's directory", "other", "/s/overlay-containers/" + id + "/userdata", Spec{}, "", ""},
		{"docker", id, task + id, Spec{Sources: docker(id + "/hostname")}, "docker", data + "/containers/" + id},
		{"docker in another's network", id, task + id, Spec{Sources: docker("other/hostname", id+"/mounts/shm")}, "docker", data + "/containers/" + id},
		{"no file of its own", id, task + id, Spec{Sources: docker("other/hostname")}, "", ""},
		{"an id that docker does not give", "c1", task + "c1", Spec{Sources: docker("c1/hostname")}, "", ""},
		{"containerd", id, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id, Spec{}, "", ""},
		{"runc", id, "/srv/bundle", Spec{}, "", ""},
	} {
		name, dir := State{ID: tc.id, Bundle: tc.bundle}.Engine(tc.spec)
		if name != tc.name || dir != tc.dir {
			t.Errorf("%s: %q, %q; want %q, %q", tc.what, name, dir, tc.name, tc.dir)
		}
	}
	for text, want := range map[string]string{`{"AutoRemove":true}`: "", `{"AutoRemove":false}`: "docker", `{`: "docker"} {
		if err := os.WriteFile(filepath.Join(data, "containers", id, "hostconfig.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if name, _ := (State{ID: id, Bundle: task + id}).Engine(Spec{Sources: docker(id + "/hosts")}); name != want {
			t.Errorf("%s: %q, want %q", text, name, want)
		}
	}
}
