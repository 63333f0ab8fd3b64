package main

import (
	"github.com/containerd/nri/pkg/api"
	nri "github.com/containerd/nri/pkg/plugin"
)

// The annotations a pod may have.
const (
	profileAnnotation = "dev.larder.profile"
	lockAnnotation    = "dev.larder.lock"
	venvAnnotation    = "dev.larder.venv"
)

// ask is what a pod asks for one of its containers. It is the word of whoever wrote the pod, and
// not yet judged.
type ask struct{ profile, lock, venv string }

// askOf looks at the pod's annotations only: a container's own come from its image, too.
func askOf(pod *api.PodSandbox, c *api.Container) ask {
	get := func(key string) string {
		value, _ := nri.GetEffectiveAnnotation(pod, key, c.GetName())
		return value
	}
	a := ask{profile: get(profileAnnotation)}
	if a.profile == "" {
		return ask{}
	}
	a.lock, a.venv = get(lockAnnotation), get(venvAnnotation)
	return a
}
