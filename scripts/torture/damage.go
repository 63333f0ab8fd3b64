package main
import "context"
func damages(ctx context.Context, w *world) ([]testCase, error) { return nil, nil }
