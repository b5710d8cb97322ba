"""Loss functions: pure maths on tensors."""
