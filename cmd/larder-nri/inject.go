package main

import (
	"context"
	"fmt"

	"github.com/containerd/nri/pkg/api"
)

// injector mounts nothing by itself: it has the runtime run larder-hook.
type injector struct{ *plugin }

// CreateContainer is asked what is to be different about a container that will be created.
func (p injector) CreateContainer(_ context.Context, pod *api.PodSandbox, c *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	asked := askOf(pod, c)
	if asked.profile == "" {
		return nil, nil, nil
	}
	cfg, err := p.file.load()
	if err == nil {
		_, err = cfg.RequestedBy(pod.GetNamespace(), asked.profile)
	}
	if err != nil {
		p.log.Warn(fmt.Sprintf("attach %.80s: no hook: %v", c.GetId(), err))
		if !p.required {
			err = nil
		}
		return nil, nil, err
	}
	return p.adjustment(asked), nil, nil
}

// Seconds that the runtime gives the hook, which gives up by itself before.
const attachSeconds, releaseSeconds = 15, 10

// adjustment adds the hook at both stages. Its environment is not empty, so that nothing of the
// runtime's or the container's gets in its place.
func (p *plugin) adjustment(asked ask) *api.ContainerAdjustment {
	var common []string
	for _, f := range []struct{ flag, value string }{{"--store", p.store}, {"--config", p.config}} {
		if f.value != "" {
			common = append(common, f.flag, f.value)
		}
	}
	attach := append([]string{"larder-hook", "attach", "--profile", asked.profile}, common...)
	if p.required {
		attach = append(attach, "--required")
	}
	hook := func(seconds int, args []string) []*api.Hook {
		return []*api.Hook{{Path: p.hook, Args: args, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Timeout: api.Int(seconds)}}
	}
	a := &api.ContainerAdjustment{}
	a.AddHooks(&api.Hooks{CreateRuntime: hook(attachSeconds, attach), Poststop: hook(releaseSeconds, append([]string{"larder-hook", "release"}, common...))})
	for key, value := range map[string]string{lockAnnotation: asked.lock, venvAnnotation: asked.venv} {
		if value != "" {
			a.AddAnnotation(key, value)
		}
	}
	return a
}
