"""Is the faster arm still right? The answers of every launch, and how arms differ against how launches do."""
