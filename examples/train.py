import dovetail
from dovetail import nn, optim
from dovetail.data import DataLoader, Digits

dovetail.manual_seed(0)
train_loader = DataLoader(Digits(train=True), batch_size=64, shuffle=True)
test_loader = DataLoader(Digits(train=False), batch_size=256)

net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=0.005)

for epoch in range(10):
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}")

with dovetail.no_grad():
    right = sum((net(images).argmax(1) == labels).sum().item() for images, labels in test_loader)
print(f"test accuracy {right / len(test_loader.dataset):.1%}")

dovetail.save(net.state_dict(), "digits.safetensors")
