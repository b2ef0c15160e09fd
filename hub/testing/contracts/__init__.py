"""What every driver of a service must do, as test classes: inherit one, give it the fixture it asks for."""
