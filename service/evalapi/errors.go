package evalapi

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dimmerhq/dimmer/service/feature"
)

// statusCodes is the one table from error codes to gRPC's.
var statusCodes = map[feature.Code]codes.Code{
	feature.CodeMalformed:            codes.InvalidArgument,
	feature.CodeUnauthenticated:      codes.Unauthenticated,
	feature.CodeDenied:               codes.PermissionDenied,
	feature.CodeNotFound:             codes.NotFound,
	feature.CodeConflict:             codes.FailedPrecondition,
	feature.CodeExists:               codes.AlreadyExists,
	feature.CodeReferenced:           codes.FailedPrecondition,
	feature.CodePrecondition:         codes.FailedPrecondition,
	feature.CodeTooLarge:             codes.ResourceExhausted,
	feature.CodeInvalid:              codes.InvalidArgument,
	feature.CodePreconditionRequired: codes.FailedPrecondition,
	feature.CodeRateLimited:          codes.ResourceExhausted,
	feature.CodeUnavailable:          codes.Unavailable,
	feature.CodeFull:                 codes.ResourceExhausted,
	feature.CodeInternal:             codes.Internal,
}

// answer is the error as a client sees it: a status with the message that was written for it, and nothing of the inside.
func (s *Server) answer(method string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*tooMany](err); ok {
		st := status.New(codes.ResourceExhausted, e.Error())
		if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.wait)}); err == nil {
			st = detailed
		}
		return st.Err()
	}
	if e, ok := errors.AsType[*feature.Error](err); ok && e.Code != feature.CodeInternal {
		code, known := statusCodes[e.Code]
		if known {
			msg := e.Msg
			if e.Path != "" {
				msg = e.Path + ": " + msg
			}
			return status.Error(code, msg)
		}
	}
	// Not unwrapped: a status that something else wraps was not made for the client.
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the call took too long")
	}
	s.opts.Logger.Error("evalapi: internal error", "method", method, "error", err)
	return status.Error(codes.Internal, "internal error")
}
