package evalapi

import (
	"context"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

type evaluationService struct {
	pb.UnimplementedEvaluationServiceServer
	*Server
}

// Evaluate implements the EvaluationService.
func (s evaluationService) Evaluate(ctx context.Context, req *pb.EvaluateRequest) (*pb.EvaluateResponse, error) {
	return s.UnimplementedEvaluationServiceServer.Evaluate(ctx, req)
}
