package enum PlaceholderTS {}
