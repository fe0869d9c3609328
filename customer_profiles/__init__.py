"""Live, consented, explainable customer profiles for AI chatbots."""
